# pionbench_library(NAME [DIRECTORIES dir...]): a static library pionbench_NAME, alias pionbench::NAME, of every
# *.cpp directly in the named folders (default: this one), so that one more file needs no line here.
# Includes are written from the repository's root.
function(pionbench_library name)
  cmake_parse_arguments(ARG "" "" "DIRECTORIES" ${ARGN})
  if(NOT ARG_DIRECTORIES)
    set(ARG_DIRECTORIES .)
  endif()
  set(sources)
  foreach(directory IN LISTS ARG_DIRECTORIES)
    file(GLOB found CONFIGURE_DEPENDS ${directory}/*.cpp)
    list(APPEND sources ${found})
  endforeach()
  list(FILTER sources EXCLUDE REGEX "/(main|stub)\\.cpp$")
  add_library(pionbench_${name} STATIC ${sources})
  add_library(pionbench::${name} ALIAS pionbench_${name})
  target_include_directories(pionbench_${name} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>)
  pionbench_options(pionbench_${name})
endfunction()

# Warnings and sanitizers, the same for every target of ours.
function(pionbench_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wno-missing-field-initializers)
  # GCC 12 warns falsely on "literal" + std::string at -O2 and above (GCC bugs 105651, 105329, 105762).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
  endif()
  if(PIONBENCH_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(PIONBENCH_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${PIONBENCH_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${PIONBENCH_SANITIZE})
  endif()
endfunction()

# pionbench_tests(NAME LABEL label LIBRARIES lib... [TORCH]): an executable of every *_test.cpp in ./NAME; each
# test becomes one ctest entry with the label. Tests whose names start with "Gpu" carry the label gpu as well.
function(pionbench_tests name)
  cmake_parse_arguments(ARG "TORCH" "LABEL;TIMEOUT" "LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${name}/*.cpp)
  if(NOT sources)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name}_tests ${sources})
  target_link_libraries(${name}_tests PRIVATE ${ARG_LIBRARIES} GTest::gmock GTest::gtest_main)
  pionbench_options(${name}_tests)
  if(ARG_TORCH)
    pionbench_reuse_torch_header(${name}_tests)
  endif()
  gtest_discover_tests(${name}_tests TEST_FILTER "-Gpu*" TEST_LIST ${name}_host_list DISCOVERY_TIMEOUT 120
    PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT ${ARG_TIMEOUT})
  gtest_discover_tests(${name}_tests TEST_FILTER "Gpu*" TEST_LIST ${name}_gpu_list DISCOVERY_TIMEOUT 120
    PROPERTIES LABELS "gpu" TIMEOUT ${ARG_TIMEOUT})
  # CMake 3.25's gtest_discover_tests takes a list of variables apart however it is escaped; set them afterwards.
  set(environment "PIONBENCH_HOME=${CMAKE_SOURCE_DIR};PIONBENCH_BIN=${CMAKE_BINARY_DIR}/bin;PIONBENCH_PYTHON=${PIONBENCH_PYTHON}")
  set(after ${CMAKE_CURRENT_BINARY_DIR}/${name}_environment.cmake)
  file(WRITE ${after} "set_tests_properties(\${${name}_host_list} \${${name}_gpu_list} PROPERTIES ENVIRONMENT \"${environment}\")\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${after})
endfunction()
