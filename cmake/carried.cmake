# Offline machines with a GPU often have torch and CUDA and no package registry. What the worker and the tests need
# beyond that is header-only or source, and travels in .carry (made by ci/carry); an installed package comes first.
set(PIONBENCH_CARRIED ${CMAKE_SOURCE_DIR}/.carry)

# nlohmann_json::nlohmann_json
macro(pionbench_find_json)
  find_package(nlohmann_json 3.10 QUIET)
  if(NOT nlohmann_json_FOUND AND NOT TARGET nlohmann_json::nlohmann_json)
    if(NOT EXISTS ${PIONBENCH_CARRIED}/include/nlohmann/json.hpp)
      message(FATAL_ERROR "nlohmann-json not found. Run ci/setup, or bring it along by ci/carry.")
    endif()
    add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED GLOBAL)
    target_include_directories(nlohmann_json::nlohmann_json INTERFACE ${PIONBENCH_CARRIED}/include)
  endif()
endmacro()

# GTest::gmock and GTest::gtest_main
macro(pionbench_find_gtest)
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    if(NOT EXISTS ${PIONBENCH_CARRIED}/googletest/CMakeLists.txt)
      message(FATAL_ERROR "GoogleTest not found. Run ci/setup, bring it along by ci/carry, or configure with "
                          "-DPIONBENCH_TESTS=OFF.")
    endif()
    set(INSTALL_GTEST OFF)
    add_subdirectory(${PIONBENCH_CARRIED}/googletest ${CMAKE_BINARY_DIR}/googletest EXCLUDE_FROM_ALL)
    if(NOT TARGET GTest::gmock)
      add_library(GTest::gmock ALIAS gmock)
      add_library(GTest::gtest_main ALIAS gtest_main)
    endif()
  endif()
endmacro()

# pionbench::utf8proc and pionbench::pcre2 where they are to be had. Without the first no BPE tokenizer loads, without
# the second only those with Qwen's pattern do; everything else works.
#   PIONBENCH_TOKENIZERS_LACK   what is not there, for `pionbench doctor`
macro(pionbench_find_text_libraries)
  set(PIONBENCH_TOKENIZERS_LACK "")
  foreach(entry utf8proc:utf8proc.h:utf8proc:libutf8proc-dev pcre2:pcre2.h:pcre2-8:libpcre2-dev)
    string(REPLACE ":" ";" entry ${entry})
    list(GET entry 0 name)
    list(GET entry 1 header)
    list(GET entry 2 library)
    list(GET entry 3 package)
    find_path(PIONBENCH_${name}_INCLUDE ${header} HINTS ${PIONBENCH_CARRIED}/include)
    find_library(PIONBENCH_${name}_LIBRARY ${library} HINTS ${PIONBENCH_CARRIED}/lib)
    if(PIONBENCH_${name}_INCLUDE AND PIONBENCH_${name}_LIBRARY)
      add_library(pionbench::${name} UNKNOWN IMPORTED GLOBAL)
      set_target_properties(pionbench::${name} PROPERTIES IMPORTED_LOCATION ${PIONBENCH_${name}_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${PIONBENCH_${name}_INCLUDE})
    else()
      list(APPEND PIONBENCH_TOKENIZERS_LACK "${name} (Debian's ${package})")
    endif()
  endforeach()
  list(JOIN PIONBENCH_TOKENIZERS_LACK ", " PIONBENCH_TOKENIZERS_LACK)
  if(PIONBENCH_TOKENIZERS_LACK)
    message(STATUS "Building without all tokenizers; missing: ${PIONBENCH_TOKENIZERS_LACK}. ci/setup installs them.")
  endif()
endmacro()
