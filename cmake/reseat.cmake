# SPDX-License-Identifier: GPL-3.0-or-later
# Flags, foreign libraries (one target each) and the functions that each folder declares its parts with.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)

add_library(rs_flags INTERFACE)
target_compile_options(rs_flags INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -ffp-contract=off)
target_compile_definitions(rs_flags INTERFACE _GNU_SOURCE RS_VERSION="${PROJECT_VERSION}")
set(RS_SANITIZE "" CACHE STRING "Sanitizers, such as address,undefined")
if(RS_SANITIZE)
    target_compile_options(rs_flags INTERFACE -fsanitize=${RS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(rs_flags INTERFACE -fsanitize=${RS_SANITIZE})
endif()

# A foreign library found by pkg-config, as one imported target: rs_foreign(jansson jansson>=2.13)
function(rs_foreign name)
    if(NOT TARGET PkgConfig::${name})
        # GLOBAL, because who links a static library links what it needs, in whatever folder
        pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${ARGN})
    endif()
endfunction()

# rs_library(rs_models SOURCES model.c score.c PUBLIC rs_common PRIVATE ZLIB::ZLIB)
# Each library sees the project through <root>, but a header of a folder that it does not link is refused: the root is
# mirrored per folder, so that a wrong arrow fails to build.
function(rs_library name)
    cmake_parse_arguments(A "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
    add_library(${name} STATIC ${A_SOURCES})
    rs_include_root(${name})
    target_link_libraries(${name} PUBLIC ${A_PUBLIC} PRIVATE ${A_PRIVATE} rs_flags)
endfunction()

# The include path of a folder's parts: a directory that holds only a link to that folder ("models/..."), so that
# #include "datasets/fleet.h" works only for those who link rs_datasets.
function(rs_include_root target)
    get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
    set(root ${CMAKE_BINARY_DIR}/include/${target})
    file(MAKE_DIRECTORY ${root})
    file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${root}/${folder} SYMBOLIC)
    target_include_directories(${target} PUBLIC ${root})
endfunction()

# rs_program(reseat-train SOURCES main.c LINK rs_predictor VERBS train eval): VERBS become links beside it.
function(rs_program name)
    cmake_parse_arguments(A "" "" "SOURCES;LINK;VERBS" ${ARGN})
    add_executable(${name} ${A_SOURCES})
    target_link_libraries(${name} PRIVATE ${A_LINK} rs_flags)
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/reseat)
    foreach(verb ${A_VERBS})
        if(name STREQUAL "reseat-${verb}") # the program itself answers to this verb
            continue()
        endif()
        add_custom_command(TARGET ${name} POST_BUILD COMMAND
            ${CMAKE_COMMAND} -E create_symlink ${name} ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/reseat-${verb})
        install(CODE "file(CREATE_LINK ${name} \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBEXECDIR}/reseat/reseat-${verb}\" SYMBOLIC)")
    endforeach()
endfunction()

# rs_unit_tests(rs_models test_model.c ...): one cmocka program per file, beside the code it tests.
find_library(RS_CMOCKA cmocka REQUIRED)
function(rs_unit_tests library)
    foreach(source ${ARGN})
        get_filename_component(test ${source} NAME_WE)
        add_executable(${test} ${source})
        target_link_libraries(${test} PRIVATE ${library} rs_flags ${RS_CMOCKA})
        set_target_properties(${test} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
        add_test(NAME ${test} COMMAND ${test})
        set_tests_properties(${test} PROPERTIES SKIP_RETURN_CODE 77 LABELS unit TIMEOUT 120)
    endforeach()
endfunction()

# rs_shell_test(import_sets 300 import_sets.sh): a whole-program test; it finds the programs through $BIN.
function(rs_shell_test name timeout script)
    add_test(NAME ${name} COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/${script})
    set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 LABELS program TIMEOUT ${timeout}
        ENVIRONMENT "BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};SRC=${CMAKE_SOURCE_DIR}")
endfunction()

# rs_fuzz(model LINK rs_models): tests/fuzz/fuzz_model.c under libFuzzer with the fuzz preset; everywhere else a program
# that replays tests/fuzz/corpus/model, so that plain ctest does too.
option(RS_FUZZ "Build fuzzers with libFuzzer (clang)" OFF)
function(rs_fuzz name)
    cmake_parse_arguments(A "" "" "LINK" ${ARGN})
    set(target fuzz_${name})
    add_executable(${target} ${CMAKE_SOURCE_DIR}/tests/fuzz/${target}.c)
    target_link_libraries(${target} PRIVATE ${A_LINK} rs_flags)
    target_compile_options(${target} PRIVATE -UNDEBUG) # what a fuzz target asserts holds in every build
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    if(RS_FUZZ)
        target_compile_options(${target} PRIVATE -fsanitize=fuzzer)
        target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    else()
        target_sources(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/standalone.c)
        add_test(NAME ${target} COMMAND ${target} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
        set_tests_properties(${target} PROPERTIES LABELS fuzz TIMEOUT 60)
    endif()
endfunction()
