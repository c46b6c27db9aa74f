# What Debian 12 ships, and nothing else. Packages without a CMake file get a target here.
find_package(Threads REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(mysqlclient REQUIRED IMPORTED_TARGET mysqlclient)
pkg_check_modules(pistache REQUIRED IMPORTED_TARGET libpistache)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)

# Header-only packages: system headers, so that our warnings do not judge them.
function(ddt_header_only name header)
  find_path(${name}_INCLUDE_DIR ${header} REQUIRED)
  add_library(${name} INTERFACE)
  target_include_directories(${name} SYSTEM INTERFACE ${${name}_INCLUDE_DIR})
endfunction()
ddt_header_only(concurrentqueue concurrentqueue/concurrentqueue.h)
ddt_header_only(rapidjson rapidjson/document.h)
ddt_header_only(tomlplusplus toml++/toml.h)
