# Installs the build tree BUILD under STAGED, for the prefix /opt/latchkey, and moves that to MOVED.
file(REMOVE_RECURSE ${STAGED} ${MOVED})
set(ENV{DESTDIR} ${STAGED})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix /opt/latchkey
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
get_filename_component(directory ${MOVED} DIRECTORY)
file(MAKE_DIRECTORY ${directory})
file(RENAME ${STAGED}/opt/latchkey ${MOVED})
file(GLOB_RECURSE elsewhere ${STAGED}/*)
if(elsewhere)
  message(FATAL_ERROR "installed outside of the prefix: ${elsewhere}")
endif()
