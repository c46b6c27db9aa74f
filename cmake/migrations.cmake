# ddt_embed_migrations(TARGET DIR): compiles DIR/*.sql into TARGET, in the order of their names, so that a
# binary finds its migrations from any working directory. See sql/migration.hpp.
function(ddt_embed_migrations target directory)
  file(GLOB migrations CONFIGURE_DEPENDS ${directory}/*.sql)
  list(SORT migrations)
  set(texts "")
  foreach(migration IN LISTS migrations)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${migration})
    get_filename_component(name ${migration} NAME_WE)
    file(READ ${migration} text)
    string(APPEND texts "    {\"${name}\", R\"migration(${text})migration\"},\n")
  endforeach()
  set(generated ${PROJECT_BINARY_DIR}/generated/embedded_migrations.cpp)
  file(GENERATE OUTPUT ${generated} CONTENT "#include \"sql/migration.hpp\"

namespace ddt::sql {
namespace {
constexpr MigrationText kTexts[] = {
${texts}};
}  // namespace

std::span<const MigrationText> embedded_migrations() noexcept { return kTexts; }
std::string_view binary_version() noexcept { return \"${PROJECT_VERSION}\"; }

}  // namespace ddt::sql
")
  target_sources(${target} PRIVATE ${generated})
endfunction()
