# Everything comes from Debian 12; docs/dependencies.md says why each is here. The order matters: Protobuf
# has no config of its own in Debian and must be found before gRPC looks for it.
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(RocksDB CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(uuid REQUIRED IMPORTED_TARGET uuid)
pkg_check_modules(tomlplusplus REQUIRED IMPORTED_TARGET tomlplusplus)
# Not by its CMake config, which also asks for what its other half needs to push metrics.
pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET prometheus-cpp-core)
find_package(civetweb CONFIG REQUIRED)
if(LATCHKEY_BUILD_TESTS)
  find_package(GTest CONFIG REQUIRED)
endif()

# The allocator of programs that serve; a sanitizer brings its own.
add_library(latchkey_allocator INTERFACE)
if(NOT LATCHKEY_SANITIZER)
  find_package(mimalloc CONFIG REQUIRED)
  target_link_libraries(latchkey_allocator INTERFACE mimalloc)
endif()
