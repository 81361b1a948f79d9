# latchkey_shared_library(<target> NAME <name> OF <static libraries>... [SOURCES <files>...])
#
# One of the libraries that are installed, as latchkey::<name>. It is made of the objects of the static
# libraries that this tree itself links, so that nothing is compiled twice. What those link must be linked to
# it again, in the shared form where there is one: a program that has the descriptor of a .proto file twice
# ends at its start. A file <name>.map beside the caller says what it exports; without one that is everything.
#
# The soname changes with every minor version: before 1.0 each of them may change the ABI.
function(latchkey_shared_library target)
  cmake_parse_arguments(ARG "" "NAME" "OF;SOURCES" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS OR NOT ARG_NAME OR NOT ARG_OF)
    message(FATAL_ERROR "latchkey_shared_library(${target}): needs NAME and OF; "
      "does not know: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  set(output_name latchkey-${ARG_NAME})
  if(ARG_NAME STREQUAL "client")
    set(output_name latchkey)
  endif()
  list(TRANSFORM ARG_OF PREPEND "$<TARGET_OBJECTS:")
  list(TRANSFORM ARG_OF APPEND ">")
  add_library(${target} SHARED ${ARG_SOURCES} ${ARG_OF})
  target_compile_features(${target} INTERFACE cxx_std_20)
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${ARG_NAME}
    OUTPUT_NAME ${output_name}
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    LINKER_LANGUAGE CXX
    INSTALL_RPATH $ORIGIN)
  if(NOT LATCHKEY_SANITIZER)  # whose names come with the program
    target_link_options(${target} PRIVATE -Wl,--no-undefined)
  endif()
  set(map ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_NAME}.map)
  if(EXISTS ${map})
    target_link_options(${target} PRIVATE -Wl,--version-script=${map})
    set_target_properties(${target} PROPERTIES LINK_DEPENDS ${map})
  endif()
endfunction()
