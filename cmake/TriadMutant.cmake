# One known bug of tests/mutants compiled in, for ./dev mutants; product code knows nothing of it. The mutated copy of a
# source is compiled in place of the source, that of a header is found before the header.
set(TRIAD_MUTATED "")
if(TRIAD_MUTANT)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  set(TRIAD_MUTANT_DIR ${CMAKE_BINARY_DIR}/mutant)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_SOURCE_DIR}/tests/mutants/mutants.py apply ${TRIAD_MUTANT} ${TRIAD_MUTANT_DIR}
    OUTPUT_VARIABLE TRIAD_MUTATED COMMAND_ERROR_IS_FATAL ANY)
  include_directories(BEFORE ${TRIAD_MUTANT_DIR})
endif()

# Sources of the current folder, mutated copies in place of what is mutated.
function(triad_mutate variable)
  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE folder)
  set(sources "")
  foreach(source IN LISTS ${variable})
    if("${folder}/${source}" IN_LIST TRIAD_MUTATED)
      set(source ${TRIAD_MUTANT_DIR}/${folder}/${source})
    endif()
    list(APPEND sources ${source})
  endforeach()
  set(${variable} ${sources} PARENT_SCOPE)
endfunction()
