# tests/<kind>/<area>_test.cpp: each file is one program and one ctest entry, labelled with its kind.
# tests/support holds what they share; kinds: unit, model, integration, process, e2e (STYLE: tests).
find_package(GTest REQUIRED)
file(GLOB_RECURSE support_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/*.cpp)
if(support_sources)
  add_library(ddt_test_support STATIC ${support_sources})
  target_link_libraries(ddt_test_support PUBLIC ddt_producer ddt_sidecar ddt_top ddt_api ddt_replay_lib GTest::gmock)
else()
  add_library(ddt_test_support INTERFACE)
  target_link_libraries(ddt_test_support INTERFACE ddt_producer ddt_sidecar ddt_top ddt_api ddt_replay_lib GTest::gmock)
endif()

file(GLOB test_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*/*_test.cpp)
foreach(source IN LISTS test_sources)
  get_filename_component(directory ${source} DIRECTORY)
  get_filename_component(kind ${directory} NAME)
  get_filename_component(area ${source} NAME_WE)
  set(name ${kind}_${area})
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE ddt_test_support GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE DDT_SOURCE_DIR="${PROJECT_SOURCE_DIR}" DDT_BIN_DIR="${PROJECT_BINARY_DIR}/bin")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_dependencies(${name} ddt-sidecar ddt-top ddt-api ddt-replay)
  add_test(NAME ${kind}.${area} COMMAND ${name})
  set_tests_properties(${kind}.${area} PROPERTIES LABELS ${kind} TIMEOUT 900)
endforeach()

# Python tests: standard library only, run as they stand.
file(GLOB python_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*/test_*.py)
foreach(source IN LISTS python_tests)
  get_filename_component(directory ${source} DIRECTORY)
  get_filename_component(kind ${directory} NAME)
  get_filename_component(area ${source} NAME_WE)
  string(REGEX REPLACE "^test_" "" area ${area})
  add_test(NAME ${kind}.${area} COMMAND python3 ${source})
  set_tests_properties(${kind}.${area} PROPERTIES LABELS ${kind} TIMEOUT 900
    ENVIRONMENT "DDT_BIN_DIR=${PROJECT_BINARY_DIR}/bin;DDT_SOURCE_DIR=${PROJECT_SOURCE_DIR}")
endforeach()

# Tests that every build runs under sanitizers, too.
include(cmake/sanitized.cmake)
ddt_sanitized_test(hostile.segment_asan SANITIZE address,undefined DRAIN SOURCES tests/hostile/segment_test.cpp)
ddt_sanitized_test(hostile.fault_guard_asan SANITIZE address,undefined SOURCES tests/unit/fault_guard_test.cpp)
ddt_sanitized_test(hostile.decode_asan SANITIZE address,undefined DRAIN SOURCES tests/unit/decode_test.cpp)
ddt_sanitized_test(hostile.quarantine_asan SANITIZE address,undefined DRAIN SOURCES tests/unit/quarantine_test.cpp)
ddt_sanitized_test(hostile.drain_asan SANITIZE address,undefined DRAIN SOURCES tests/unit/drain_test.cpp)
ddt_sanitized_test(process.ring_tsan SANITIZE thread SOURCES tests/unit/lane_test.cpp
                   ENVIRONMENT GTEST_FILTER=Lane.LosesNothingBetweenTwoThreads)
