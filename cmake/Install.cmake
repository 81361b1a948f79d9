# What `cmake --install` gives, by component:
#   server    latchkeyd, and what Prometheus and Grafana need to watch it
#   cli       latchkey, the command line
#   client    the shared libraries that programs need to run
#   dev       what it takes to build such programs: headers, .proto files, find_package, pkg-config
#   testing   latchkey::testing, for the tests of such programs
# docs/installing.md tells users of it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/latchkey)
# Generated headers have a directory of their own: google/rpc must not meet somebody else's.
set(proto_include_dir ${CMAKE_INSTALL_INCLUDEDIR}/latchkey-proto)

install(TARGETS latchkeyd RUNTIME COMPONENT server)
install(DIRECTORY deploy/prometheus deploy/grafana DESTINATION ${CMAKE_INSTALL_DATADIR}/latchkey
  COMPONENT server PATTERN "*_test.yml" EXCLUDE)
install(TARGETS latchkey RUNTIME COMPONENT cli)
if(NOT LATCHKEY_PACKAGES)  # which have a file of their own for it
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT client)
endif()

install(TARGETS latchkey_client_shared latchkey_proto_shared EXPORT latchkey
  LIBRARY COMPONENT client NAMELINK_COMPONENT dev)
install(EXPORT latchkey NAMESPACE latchkey:: FILE latchkeyTargets.cmake
  DESTINATION ${config_dir} COMPONENT dev)
install(DIRECTORY client/include/ TYPE INCLUDE COMPONENT dev)
install(DIRECTORY ${PROJECT_BINARY_DIR}/proto/latchkey/v1 DESTINATION ${proto_include_dir}/latchkey
  COMPONENT dev FILES_MATCHING PATTERN "*.pb.h")
install(DIRECTORY ${PROJECT_BINARY_DIR}/proto/third_party/google DESTINATION ${proto_include_dir}
  COMPONENT dev FILES_MATCHING PATTERN "*.pb.h")
install(DIRECTORY proto/latchkey/v1 DESTINATION ${CMAKE_INSTALL_DATADIR}/latchkey/proto/latchkey
  COMPONENT dev FILES_MATCHING PATTERN "*.proto")
install(DIRECTORY proto/third_party/google DESTINATION ${CMAKE_INSTALL_DATADIR}/latchkey/proto
  COMPONENT dev FILES_MATCHING PATTERN "*.proto")

install(TARGETS latchkey_testing EXPORT latchkeyTesting LIBRARY COMPONENT testing)
install(EXPORT latchkeyTesting NAMESPACE latchkey:: FILE latchkeyTestingTargets.cmake
  DESTINATION ${config_dir} COMPONENT testing)
install(DIRECTORY testing/include/ TYPE INCLUDE COMPONENT testing)

configure_package_config_file(cmake/latchkeyConfig.cmake.in latchkeyConfig.cmake
  INSTALL_DESTINATION ${config_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(latchkeyConfigVersion.cmake COMPATIBILITY SameMinorVersion)
# From where the file lies to the prefix, so that the tree can be moved.
file(RELATIVE_PATH prefix_from_pkgconfig
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/latchkey.pc.in latchkey.pc @ONLY)
install(FILES
    ${PROJECT_BINARY_DIR}/latchkeyConfig.cmake ${PROJECT_BINARY_DIR}/latchkeyConfigVersion.cmake
  DESTINATION ${config_dir} COMPONENT dev)
install(FILES ${PROJECT_BINARY_DIR}/latchkey.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
