# latchkey_test(<name> SOURCES <files>... [LIBS <targets>...] [LABELS <labels>...] [TIMEOUT <seconds>]
#               [DEFINITIONS <name=value>...] [DEPENDS <targets>...] [BESIDE_ROCKSDB] [BOTH_ETCDS])
#
# One GoogleTest binary; every TEST in it is a ctest entry of its own, <name>.<suite>.<case>, so that runs
# share the cores, a hang costs one test, and the count that ctest prints is the number of cases.
# GoogleTest, gmock and main() are linked already.
#   LABELS tsan     also run under ThreadSanitizer: only for code that no libgrpc thread calls
#   BESIDE_ROCKSDB  RocksDB's threads run in it: ThreadSanitizer looks away where they are
#   BOTH_ETCDS      every case runs a second time, as newer_etcd.<name>.<suite>.<case>, with LATCHKEY_NEWER_ETCD
#   TIMEOUT         for one case; 120 s if not given
#   DEPENDS         programs that the test starts, e.g. latchkeyd
function(latchkey_test name)
  cmake_parse_arguments(ARG "BESIDE_ROCKSDB;BOTH_ETCDS" "TIMEOUT" "SOURCES;LIBS;LABELS;DEFINITIONS;DEPENDS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS OR NOT ARG_SOURCES)
    message(FATAL_ERROR "latchkey_test(${name}): needs SOURCES; does not know: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  set(main latchkey_test_main)
  if(ARG_BESIDE_ROCKSDB)
    set(main latchkey_test_main_beside_rocksdb)
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} ${main} GTest::gmock latchkey_warnings)
  target_compile_definitions(${name} PRIVATE ${ARG_DEFINITIONS})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  if("tsan" IN_LIST ARG_LABELS)
    add_dependencies(latchkey_tsan_tests ${name})
  endif()
  # A list inside a test property loses its semicolons on the way unless they are escaped.
  string(REPLACE ";" "\\;" labels "${ARG_LABELS}")
  gtest_discover_tests(${name}
    TEST_PREFIX "${name}."
    DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${labels}")
  if(ARG_BOTH_ETCDS)
    gtest_discover_tests(${name}
      TEST_PREFIX "newer_etcd.${name}."
      TEST_LIST ${name}_NEWER_ETCD_TESTS
      DISCOVERY_TIMEOUT 60
      PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${labels}"
        ENVIRONMENT "LATCHKEY_TEST_ETCD=${LATCHKEY_NEWER_ETCD}")
  endif()
endfunction()

include(GoogleTest)

# What `cmake --build --preset tsan` builds: the tests with the label tsan and nothing else.
add_custom_target(latchkey_tsan_tests)
