# libtorch: Torch_DIR or CMAKE_PREFIX_PATH when given, else the one that the project's or the system's Python has.
include(find_torch)
pionbench_find_torch(${PIONBENCH_PYTHON} ${CMAKE_SOURCE_DIR}/.venv/bin/python3 python3)
if(NOT Torch_FOUND)
  message(FATAL_ERROR "libtorch not found. Run ci/setup, or pass -DTorch_DIR=<torch>/share/cmake/Torch, or configure "
                      "without it by -DPIONBENCH_ONLY=harness.")
endif()
if(Torch_VERSION VERSION_LESS 2.11 OR NOT Torch_VERSION VERSION_LESS 2.14)
  message(WARNING "libtorch ${Torch_VERSION} is outside the supported range 2.11 to 2.13")
endif()
message(STATUS "libtorch ${Torch_VERSION} from ${Torch_DIR}; CUDA: ${TORCH_CUDA_LIBRARIES}")

# pionbench_use_torch(TARGET): link libtorch; its headers are not ours to warn about. Installed, a target names no
# libtorch of this machine: the package configuration finds the user's (cmake/pionbench_optimConfig.cmake.in).
function(pionbench_use_torch target)
  target_link_libraries(${target} PUBLIC "$<BUILD_INTERFACE:${TORCH_LIBRARIES}>")
  target_include_directories(${target} SYSTEM PUBLIC "$<BUILD_INTERFACE:${TORCH_INCLUDE_DIRS}>")
  target_compile_options(${target} PUBLIC "$<BUILD_INTERFACE:${TORCH_CXX_FLAGS}>")
endfunction()

# pionbench_reuse_torch_header(TARGET): torch/torch.h precompiled once, by pionbench_optim. GCC wants the same
# code-generation flags, so executables are compiled like libraries (-fPIC, not -fPIE).
function(pionbench_reuse_torch_header target)
  target_precompile_headers(${target} REUSE_FROM pionbench_optim)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC)
endfunction()
