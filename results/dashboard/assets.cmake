# The front end inside the program: page, style, scripts in this order, and the chart library.
set(dashboard ${CMAKE_CURRENT_LIST_DIR})
set(dashboard_scripts core.js table.js charts.js pages.js live.js)

# pionbench_embed_dashboard(TARGET): what assets.cpp of the target needs.
function(pionbench_embed_dashboard target)
  set(made ${CMAKE_CURRENT_BINARY_DIR}/dashboard)
  file(MAKE_DIRECTORY ${made})
  list(TRANSFORM dashboard_scripts PREPEND ${dashboard}/ OUTPUT_VARIABLE scripts)
  add_custom_command(OUTPUT ${made}/script.js DEPENDS ${scripts}
    COMMAND ${CMAKE_COMMAND} -E cat ${scripts} > ${made}/script.js VERBATIM)

  # The library comes out of vl-convert-python, which draws the report's figures, too. Without it the dashboard is
  # complete but for its charts.
  set(bundler)
  foreach(python ${PIONBENCH_PYTHON} ${CMAKE_SOURCE_DIR}/.venv/bin/python3 python3)
    execute_process(COMMAND ${python} -c "import vl_convert" RESULT_VARIABLE lacks OUTPUT_QUIET ERROR_QUIET)
    if(lacks EQUAL 0)
      set(bundler ${python})
      break()
    endif()
  endforeach()
  if(bundler)
    add_custom_command(OUTPUT ${made}/vega.js DEPENDS ${dashboard}/bundle.py
      COMMAND ${bundler} -B ${dashboard}/bundle.py ${made}/vega.js VERBATIM
      COMMENT "Bundling the dashboard's chart library")
  else()
    message(STATUS "Building a dashboard without charts; missing: PyPI's vl-convert-python. ci/setup installs it.")
    file(WRITE ${made}/vega.js "")
  endif()

  set(assets ${dashboard}/assets.cpp)
  # Definitions of its own make a precompiled header unfit.
  set_source_files_properties(${assets} PROPERTIES SKIP_PRECOMPILE_HEADERS ON
    OBJECT_DEPENDS "${dashboard}/page.html;${dashboard}/style.css;${made}/script.js;${made}/vega.js"
    COMPILE_DEFINITIONS "PIONBENCH_DASHBOARD_PAGE=\"${dashboard}/page.html\";PIONBENCH_DASHBOARD_STYLE=\"${dashboard}/style.css\";PIONBENCH_DASHBOARD_SCRIPT=\"${made}/script.js\";PIONBENCH_DASHBOARD_VEGA=\"${made}/vega.js\"")
  target_sources(${target} PRIVATE ${made}/script.js ${made}/vega.js)
endfunction()
