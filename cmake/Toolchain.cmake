# Compiler settings that every target shares, and the faster tools where the machine has them.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

# Our own targets link this; generated code does not, because its warnings are not ours to mend.
add_library(latchkey_warnings INTERFACE)
target_compile_options(latchkey_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  # With -O2, g++ 12 takes the unused alternatives of a std::variant for uninitialised values.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)

set(LATCHKEY_SANITIZER "" CACHE STRING "address (with undefined and libFuzzer), thread, or empty")
if(LATCHKEY_SANITIZER STREQUAL "address")
  # The counters of libFuzzer are for the targets in tests/fuzz, and of no use to the others.
  add_compile_options(-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(LATCHKEY_SANITIZER STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(LATCHKEY_SANITIZER)
  message(FATAL_ERROR "LATCHKEY_SANITIZER is \"${LATCHKEY_SANITIZER}\"; it takes address, thread, or nothing")
endif()
