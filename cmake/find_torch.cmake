# Finds libtorch, for this build and, installed beside the package configuration, for those who use the library.
#
# pionbench_find_torch(PYTHON...): Torch_DIR or CMAKE_PREFIX_PATH when they name one, else the torch that the first of
# these Pythons imports, else whatever find_package finds. Sets Torch_FOUND. A macro, for TORCH_LIBRARIES and its kin.
macro(pionbench_find_torch)
  set(_pionbench_torch_hint)
  if(NOT Torch_DIR AND NOT "${CMAKE_PREFIX_PATH}" MATCHES "torch")
    foreach(_pionbench_python ${ARGN})
      execute_process(COMMAND ${_pionbench_python} -c "import torch; print(torch.utils.cmake_prefix_path)"
        OUTPUT_VARIABLE _pionbench_torch_hint OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
        RESULT_VARIABLE _pionbench_torch_missing)
      if(_pionbench_torch_missing EQUAL 0)
        break()
      endif()
      set(_pionbench_torch_hint)
    endforeach()
  endif()
  find_package(Torch QUIET HINTS ${_pionbench_torch_hint})
endmacro()
