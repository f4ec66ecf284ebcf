# cmake --install BUILD --prefix PREFIX [--component optim]: the optimizers for other projects, by
# find_package(pionbench_optim) and by torch.ops.load_library. Headers keep the paths that the sources use, under a
# folder of their own: <prefix>/include/pionbench/{optim,core}/.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/pionbench_optim)
string(REGEX MATCH "^[0-9]+\\.[0-9]+" PIONBENCH_TORCH_SERIES "${Torch_VERSION}")
string(REPLACE "." "\\\\." PIONBENCH_TORCH_PATTERN "${PIONBENCH_TORCH_SERIES}")

set_target_properties(pionbench_optim PROPERTIES EXPORT_NAME optim)
set_target_properties(pionbench_base PROPERTIES EXPORT_NAME base)
foreach(target pionbench_optim pionbench_base)
  target_compile_features(${target} PUBLIC cxx_std_20)
endforeach()
install(TARGETS pionbench_optim pionbench_base EXPORT pionbench_optimTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT optim
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pionbench)
install(TARGETS pionbench_optim_ops LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT optim)
install(EXPORT pionbench_optimTargets NAMESPACE pionbench:: DESTINATION ${package_folder} COMPONENT optim)

foreach(folder optim optim/spectral)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.h)
  install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pionbench/${folder} COMPONENT optim)
endforeach()
foreach(header error info setting)
  install(FILES ${CMAKE_SOURCE_DIR}/core/${header}.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pionbench/core
    COMPONENT optim)
endforeach()

configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/pionbench_optimConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/pionbench_optimConfig.cmake INSTALL_DESTINATION ${package_folder}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/pionbench_optimConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/pionbench_optimConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/pionbench_optimConfigVersion.cmake ${CMAKE_SOURCE_DIR}/cmake/find_torch.cmake
  DESTINATION ${package_folder} COMPONENT optim)
