# ddt_sanitized_test(NAME SANITIZE VALUE SOURCES FILE... [DRAIN] [ENVIRONMENT VAR=VALUE...])
# Compiles one test again, with the project's code that it runs, under -fsanitize=VALUE, and registers it as the
# ctest entry NAME (kind.area, e.g. process.ring_tsan): the normal build so keeps the sanitizers' word in ctest.
#   always   shm and producer
#   DRAIN    the drain and what it decodes into: no Redis, no MySQL
# Objects are shared by all tests of one VALUE. -O1 -g1: half the compile time, and stacks still have lines. A
# build that is sanitized as a whole (DDT_SANITIZE) has these tests already and gets no second ones.
function(ddt_sanitized_library name options)
  if(NOT TARGET ${name})
    add_library(${name} STATIC EXCLUDE_FROM_ALL ${ARGN})
    target_link_libraries(${name} PUBLIC ${options})
  endif()
endfunction()

function(ddt_sanitized_test name)
  cmake_parse_arguments(ARG "DRAIN" "SANITIZE" "SOURCES;ENVIRONMENT" ${ARGN})
  if(DDT_SANITIZE)
    return()
  endif()
  string(REPLACE "," "_" tag ${ARG_SANITIZE})
  set(options ddt_options_${tag})
  if(NOT TARGET ${options})
    add_library(${options} INTERFACE)
    target_link_libraries(${options} INTERFACE ddt_options Boost::headers)
    # GCC sees uninitialized reads in what the sanitizers add.
    target_compile_options(${options} INTERFACE -O1 -g1 -fsanitize=${ARG_SANITIZE} -fno-omit-frame-pointer
                                                -fno-sanitize-recover=all -Wno-maybe-uninitialized)
    target_link_options(${options} INTERFACE -fsanitize=${ARG_SANITIZE})
    if(ARG_SANITIZE STREQUAL "thread")
      # GCC copies small blocks in line, and TSan then sees nothing of what a LaneReader reads.
      target_compile_options(${options} INTERFACE -fno-builtin-memcpy)
      # And it knows memory by its address: a Segment has one in these programs, for its bot and for the drain.
      target_include_directories(${options} BEFORE INTERFACE ${PROJECT_SOURCE_DIR}/tests/one_mapping)
      # The queue's fences: it does not know them. Nothing is handed over by that queue here.
      target_compile_options(${options} INTERFACE -Wno-tsan)
    endif()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/shm/*.cpp ${PROJECT_SOURCE_DIR}/shm/base/*.cpp
       ${PROJECT_SOURCE_DIR}/producer/*.cpp)
  if(ARG_SANITIZE STREQUAL "thread")
    list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/shm/mapping.cpp)
    list(APPEND sources ${PROJECT_SOURCE_DIR}/tests/one_mapping/shm/mapping.cpp)
  endif()
  ddt_sanitized_library(ddt_producer_${tag} ${options} ${sources})
  set(libraries ddt_producer_${tag})
  if(ARG_DRAIN)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/sidecar/drain/*.cpp)
    foreach(part IN ITEMS buckets bytes codec equity json metric_summary ratio summary time trades)
      list(APPEND sources ${PROJECT_SOURCE_DIR}/sidecar/model/${part}.cpp)
    endforeach()
    ddt_sanitized_library(ddt_drain_${tag} ${options} ${sources})
    target_link_libraries(ddt_drain_${tag} PUBLIC ddt_producer_${tag} rapidjson concurrentqueue spdlog::spdlog)
    set(libraries ddt_drain_${tag})
  endif()
  string(REPLACE "." "_" program ${name})
  add_executable(${program} ${ARG_SOURCES})
  target_link_libraries(${program} PRIVATE ${libraries} GTest::gmock GTest::gtest_main)
  set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  if(ARG_SANITIZE STREQUAL "thread")
    # GCC 12's TSan cannot place its shadow where the kernel's address randomization is wider than it knows.
    add_test(NAME ${name} COMMAND sh -c "setarch -R true 2>/dev/null && exec setarch -R $0; exec $0"
             $<TARGET_FILE:${program}>)
  else()
    add_test(NAME ${name} COMMAND ${program})
  endif()
  string(REGEX REPLACE "\\..*" "" kind ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${kind} TIMEOUT 900 ENVIRONMENT "${ARG_ENVIRONMENT}")
endfunction()
