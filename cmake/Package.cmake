# The Debian packages, which tools/package makes:
#   latchkey         latchkeyd, the latchkey command, unit, settings, manual pages, completion
#   liblatchkey0.1   the shared libraries that programs need to run
#   latchkey-dev     what it takes to build and to test such programs
# Only with LATCHKEY_PACKAGES, in the preset `package`: unit and settings name places that cannot be moved.
if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  message(FATAL_ERROR "packages are installed in /usr, not in ${CMAKE_INSTALL_PREFIX}; use the preset package")
endif()

set(LATCHKEY_PACKAGE_MAINTAINER "Latchkey maintainers <maintainers@latchkey.invalid>" CACHE STRING
  "Who answers for the packages, as Debian writes it")
set(LATCHKEY_PACKAGE_REVISION 1 CACHE STRING "What Debian has behind the dash of a version")
set(LATCHKEY_PACKAGE_VERSION ${PROJECT_VERSION}-${LATCHKEY_PACKAGE_REVISION})
set(LIBRARY_VERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(LIBRARY_PACKAGE liblatchkey${LIBRARY_VERSION})
set(packaging ${PROJECT_SOURCE_DIR}/packaging)
set(made ${PROJECT_BINARY_DIR}/packaging)

# --- latchkey ------------------------------------------------------------------------------------------
configure_file(packaging/latchkeyd.service.in ${made}/latchkeyd.service @ONLY)
install(FILES ${made}/latchkeyd.service DESTINATION /lib/systemd/system COMPONENT server)
install(FILES packaging/latchkeyd.toml DESTINATION /etc/latchkey COMPONENT server)

set(completions ${packaging}/completions/latchkeyd)
set(programs latchkeyd)
set(pages latchkeyd.8 latchkeyd.toml.5)
set(parts server client dev testing)
if(TARGET latchkey)  # which installs itself, as the component cli
  list(APPEND programs latchkey)
  list(APPEND pages latchkey.1)
  list(APPEND parts cli)
  list(APPEND completions ${made}/completions/latchkey)
  file(MAKE_DIRECTORY ${made}/completions)
  add_custom_command(OUTPUT ${made}/completions/latchkey
    COMMAND latchkey completion bash > ${made}/completions/latchkey DEPENDS latchkey VERBATIM)
endif()
install(FILES ${completions} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT server)

# --- Manual pages and what each package says of itself, compressed as Debian wants it ---------------------
list(TRANSFORM programs REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE program_files)
list(TRANSFORM pages PREPEND ${made}/man/ OUTPUT_VARIABLE page_files)
list(TRANSFORM page_files APPEND .gz OUTPUT_VARIABLE compressed_pages)
add_custom_command(OUTPUT ${compressed_pages}
  COMMAND /usr/bin/python3 -B ${packaging}/man_pages.py ${made}/man ${PROJECT_VERSION} ${program_files}
  COMMAND gzip -9nf ${page_files}
  DEPENDS ${programs} ${packaging}/man_pages.py ${packaging}/latchkeyd.toml
    ${packaging}/man/latchkeyd.8.in ${packaging}/man/latchkeyd.toml.5.in ${packaging}/man/latchkey.1.in
  VERBATIM)
foreach(page IN LISTS pages)
  string(REGEX MATCH "[0-9]$" section ${page})
  install(FILES ${made}/man/${page}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT server)
endforeach()

configure_file(packaging/debian/changelog.in ${made}/changelog.Debian @ONLY)
add_custom_command(OUTPUT ${made}/changelog.Debian.gz ${made}/changelog.gz
  COMMAND ${CMAKE_COMMAND} -E copy ${PROJECT_SOURCE_DIR}/CHANGELOG.md ${made}/changelog
  COMMAND gzip -9nfk ${made}/changelog.Debian ${made}/changelog
  DEPENDS ${made}/changelog.Debian CHANGELOG.md VERBATIM)
add_custom_target(latchkey_package_files ALL
  DEPENDS ${completions} ${compressed_pages} ${made}/changelog.Debian.gz ${made}/changelog.gz)
set(documents ${packaging}/debian/copyright ${made}/changelog.Debian.gz ${made}/changelog.gz)
install(FILES ${documents} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/latchkey COMPONENT server)
install(FILES ${documents} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${LIBRARY_PACKAGE} COMPONENT client)
install(FILES ${documents} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/latchkey-dev COMPONENT dev)

# --- The packages ----------------------------------------------------------------------------------------
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME latchkey)
set(CPACK_PACKAGE_CONTACT "${LATCHKEY_PACKAGE_MAINTAINER}")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/debs)
# Unit and settings have places of their own, outside of the prefix.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL ${parts})
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${LATCHKEY_PACKAGE_REVISION})
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Where a library finds those of ours that are in another package.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/client ${PROJECT_BINARY_DIR}/proto)

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME latchkey)
set(CPACK_DEBIAN_SERVER_PACKAGE_SECTION net)
set(CPACK_DEBIAN_SERVER_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_SERVER_DESCRIPTION "service that has work done once
latchkeyd keeps one durable record for each key, which is at once the lock,
the idempotency key and the stored result, for work whose effect lies outside
of any one database: charging a card, sending a parcel, calling a partner.")
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA ${packaging}/debian/conffiles ${packaging}/debian/postinst
  ${packaging}/debian/prerm ${packaging}/debian/postrm)

set(CPACK_DEBIAN_CLIENT_PACKAGE_NAME ${LIBRARY_PACKAGE})
set(CPACK_DEBIAN_CLIENT_PACKAGE_SECTION libs)
# What programs that link it depend on: of one minor version, every build may differ before 1.0.
set(exactly "(= ${LATCHKEY_PACKAGE_VERSION})")
file(WRITE ${made}/client/shlibs "liblatchkey ${LIBRARY_VERSION} ${LIBRARY_PACKAGE} ${exactly}
liblatchkey-proto ${LIBRARY_VERSION} ${LIBRARY_PACKAGE} ${exactly}\n")
file(WRITE ${made}/dev/shlibs "liblatchkey-testing ${LIBRARY_VERSION} latchkey-dev ${exactly}\n")
set(CPACK_DEBIAN_CLIENT_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_CLIENT_PACKAGE_CONTROL_EXTRA ${made}/client/shlibs ${packaging}/debian/triggers)
set(CPACK_DEBIAN_CLIENT_DESCRIPTION "client of Latchkey - shared libraries
The C++ client of Latchkey, which has work done once among all callers, and
its gRPC stubs.")

# Who includes our stubs includes gRPC and Protobuf; find_package(gRPC) fails without the plugin.
set(CPACK_DEBIAN_DEV_PACKAGE_NAME latchkey-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_DEV_PACKAGE_CONTROL_EXTRA ${made}/dev/shlibs ${packaging}/debian/triggers)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
  "${LIBRARY_PACKAGE} (= ${LATCHKEY_PACKAGE_VERSION}), libgrpc++-dev, libprotobuf-dev, protobuf-compiler-grpc")
set(CPACK_DEBIAN_DEV_DESCRIPTION "client of Latchkey - development files
Headers, find_package(latchkey), pkg-config and .proto files of the C++ client
of Latchkey; and latchkey::testing, a scripted service and an in-process
server for the tests of programs that use it.")

include(CPack)
cpack_add_component_group(server)
cpack_add_component_group(client)
cpack_add_component_group(dev)
cpack_add_component(server GROUP server)
cpack_add_component(cli GROUP server)
cpack_add_component(client GROUP client)
cpack_add_component(dev GROUP dev)
cpack_add_component(testing GROUP dev)
