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
