# How every target of the house is made: one place for warnings, include paths and test registration.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Protobuf REQUIRED)
find_package(absl REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(gRPC CONFIG REQUIRED)
if(TRIAD_TESTS)
  find_package(GTest REQUIRED)
endif()

set(TRIAD_WARNINGS -Wall -Wextra -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12 sees overlapping copies where a std::string is assigned from a literal (its bug 105651).
  # A designated initializer leaves out on purpose what has its default; gcc alone complains of it.
  list(APPEND TRIAD_WARNINGS -Wno-restrict -Wno-missing-field-initializers)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  list(APPEND TRIAD_WARNINGS -Wthread-safety)
endif()

# "product" is what users get: every library and program, without the tests.
add_custom_target(product)

# triad_library(NAME SOURCES ... LINKS ...): a static library of one folder. LINKS is the whole list of what the folder
# may know; tests/structure/rules.py holds it against the design.
function(triad_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  triad_mutate(ARG_SOURCES)
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${TRIAD_WARNINGS})
  target_link_libraries(${name} PUBLIC ${ARG_LINKS})
  triad_product(${name} library)
endfunction()

function(triad_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  triad_mutate(ARG_SOURCES)
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${TRIAD_WARNINGS})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS})
  triad_product(${name} program)
endfunction()

function(triad_product name kind)
  add_dependencies(product ${name})
  set_property(GLOBAL APPEND PROPERTY TRIAD_PRODUCT ${name})
  set_property(TARGET ${name} PROPERTY TRIAD_KIND ${kind})
endfunction()

# Writes what each product target links, for tests/structure/rules.py: "kind name folder: link link | source source".
# Reads it from the targets when all folders are done, so that nothing added beside LINKS is missed.
function(triad_write_links)
  get_property(targets GLOBAL PROPERTY TRIAD_PRODUCT)
  set(lines "")
  foreach(name IN LISTS targets)
    get_target_property(kind ${name} TRIAD_KIND)
    get_target_property(folder ${name} SOURCE_DIR)
    get_target_property(links ${name} LINK_LIBRARIES)
    get_target_property(sources ${name} SOURCES)
    cmake_path(RELATIVE_PATH folder BASE_DIRECTORY ${CMAKE_SOURCE_DIR})
    string(REPLACE ";" " " links "${links}")
    string(REPLACE ";" " " sources "${sources}")
    string(APPEND lines "${kind} ${name} ${folder}: ${links} | ${sources}\n")
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/structure/links.txt CONTENT "${lines}" @ONLY)
endfunction()
cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL triad_write_links)

# triad_test(NAME SOURCES ... LINKS ... [LABELS ...] [TIMEOUT seconds]): a GoogleTest program, one ctest entry.
# Those labelled "integration" start real daemons and measure real time: they run alone.
function(triad_test name)
  if(NOT TRIAD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  # A test's own code need not be fast, and compiles in two thirds of the time.
  target_compile_options(${name} PRIVATE ${TRIAD_WARNINGS} -O1)
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1 WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
  if("integration" IN_LIST ARG_LABELS)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()
