# What the VLA suites need beyond the rest: MuJoCo's C library and headers (they are inside PyPI's mujoco wheel), HDF5
# and zlib. A build without them is complete but for the VLA suites:
#   PIONBENCH_HAS_VLA    ON when all are there
#   PIONBENCH_VLA_LACKS  what is not, for `pionbench doctor`
set(PIONBENCH_VLA_LACKS "")

if(NOT MUJOCO_FOLDER)
  foreach(python ${PIONBENCH_PYTHON} ${CMAKE_SOURCE_DIR}/.venv/bin/python3 python3)
    execute_process(COMMAND ${python} -c "import importlib.util as u; print(list(u.find_spec('mujoco').submodule_search_locations)[0])"
      OUTPUT_VARIABLE mujoco_found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE mujoco_missing)
    if(mujoco_missing EQUAL 0)
      set(MUJOCO_FOLDER ${mujoco_found} CACHE PATH "The folder of Python's mujoco package: include/ and libmujoco.so.*")
      break()
    endif()
  endforeach()
endif()
# The wheel has no unversioned libmujoco.so: the library is linked by its path.
file(GLOB mujoco_library ${MUJOCO_FOLDER}/libmujoco.so.*)
if(MUJOCO_FOLDER AND mujoco_library AND EXISTS ${MUJOCO_FOLDER}/include/mujoco/mujoco.h)
  list(GET mujoco_library 0 mujoco_library)
  add_library(pionbench_mujoco INTERFACE IMPORTED GLOBAL)
  add_library(pionbench::mujoco ALIAS pionbench_mujoco)
  target_include_directories(pionbench_mujoco SYSTEM INTERFACE ${MUJOCO_FOLDER}/include)
  target_link_libraries(pionbench_mujoco INTERFACE ${mujoco_library})
  message(STATUS "MuJoCo: ${mujoco_library}")
else()
  list(APPEND PIONBENCH_VLA_LACKS "MuJoCo (PyPI's mujoco)")
endif()

# HDF5's CMake module runs the C compiler wrapper and wants the language C; the library itself is plain C.
find_path(PIONBENCH_HDF5_INCLUDE hdf5.h PATH_SUFFIXES hdf5/serial)
find_library(PIONBENCH_HDF5_LIBRARY NAMES hdf5_serial hdf5 PATH_SUFFIXES hdf5/serial)
if(PIONBENCH_HDF5_INCLUDE AND PIONBENCH_HDF5_LIBRARY)
  add_library(pionbench_hdf5 INTERFACE IMPORTED GLOBAL)
  add_library(pionbench::hdf5 ALIAS pionbench_hdf5)
  target_include_directories(pionbench_hdf5 SYSTEM INTERFACE ${PIONBENCH_HDF5_INCLUDE})
  target_link_libraries(pionbench_hdf5 INTERFACE ${PIONBENCH_HDF5_LIBRARY})
else()
  list(APPEND PIONBENCH_VLA_LACKS "HDF5 (Debian's libhdf5-dev)")
endif()

find_package(ZLIB QUIET)
if(NOT ZLIB_FOUND)
  list(APPEND PIONBENCH_VLA_LACKS "zlib (Debian's zlib1g-dev)")
endif()
find_package(Threads REQUIRED)

list(JOIN PIONBENCH_VLA_LACKS ", " PIONBENCH_VLA_LACKS)
if(PIONBENCH_VLA_LACKS)
  set(PIONBENCH_HAS_VLA OFF)
  message(STATUS "Building without the VLA suites; missing: ${PIONBENCH_VLA_LACKS}. ci/setup installs them.")
else()
  set(PIONBENCH_HAS_VLA ON)
endif()
