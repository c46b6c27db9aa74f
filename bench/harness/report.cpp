#include "bench/harness/report.hpp"

#include <getopt.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

namespace ddt::bench {
namespace {

[[noreturn]] void usage(const char* program) {
  std::fprintf(stderr,
               "usage: %s [--json FILE] [--samples N] [--cpus PRODUCER,CONSUMER] [--directory DIR] "
               "[--gates]\n",
               program);
  std::exit(2);
}

}  // namespace

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown CPU";
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

Options parse_options(int argc, char** argv) {
  static const option kOptions[] = {
      {"json", required_argument, nullptr, 'j'}, {"samples", required_argument, nullptr, 's'},
      {"cpus", required_argument, nullptr, 'c'}, {"directory", required_argument, nullptr, 'd'},
      {"gates", no_argument, nullptr, 'g'},      {nullptr, 0, nullptr, 0}};
  Options options;
  options.program = argv[0];
  options.directory = "/dev/shm/ddt-bench-" + std::to_string(::getpid());
  for (int c = 0; (c = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    if (c == 'j') {
      options.json = optarg;
    } else if (c == 's') {
      options.samples = std::strtoull(optarg, nullptr, 10);
    } else if (c == 'd') {
      options.directory = optarg;
    } else if (c == 'g') {
      options.gates_only = true;
    } else if (c != 'c' ||
               std::sscanf(optarg, "%d,%d", &options.producer_cpu, &options.consumer_cpu) != 2) {
      usage(argv[0]);
    }
  }
  if (optind != argc || options.samples == 0) usage(argv[0]);
  if (std::thread::hardware_concurrency() < 2) {
    std::fprintf(stderr, "%s: needs two CPUs\n", argv[0]);
    std::exit(2);
  }
  return options;
}

Report::Report(const Options& options) : gates_only_(options.gates_only) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // progress is seen through a pipe, too
  utsname name{};
  ::uname(&name);
  const std::string machine = cpu_model() + ", " +
                              std::to_string(std::thread::hardware_concurrency()) + " CPUs, " +
                              name.sysname + " " + name.release + ", g++ " __VERSION__;
  if (!gates_only_) std::printf("%s\n", machine.c_str());
  if (options.json.empty()) return;
  json_.reset(std::fopen(options.json.c_str(), "a"));
  if (!json_) {
    std::perror(options.json.c_str());
    std::exit(2);
  }
  std::fprintf(json_.get(), "{\"machine\": %s}\n", quoted(machine).c_str());
}

void Report::heading(const std::string& section, const std::string& text) {
  section_ = section;
  is_header_due_ = true;
  if (!gates_only_) std::printf("\n%s: %s\n", section.c_str(), text.c_str());
}

void Report::row(const Row& row, const Figures& f, double ratio, double ticks_per_ns,
                 double empty_p50) {
  if (!gates_only_) {
    if (is_header_due_)
      std::printf("%-44s %9s %7s %7s %8s %7s %6s %8s %6s %8s\n", "ns", "samples", "p50", "p99",
                  "p99.9", "tm", "ratio", "repeated", "dirty", "refused");
    is_header_due_ = false;
    std::printf("%-44s %9zu %7.1f %7.1f %8.1f %7.1f %6.2f %8llu %6llu %8llu\n", row.name.c_str(),
                row.ticks.size(), f.p50, f.p99, f.p999, f.tm, ratio,
                static_cast<unsigned long long>(row.repeated_blocks),
                static_cast<unsigned long long>(row.dirty_blocks),
                static_cast<unsigned long long>(row.refused));
  }
  if (!json_) return;
  std::fprintf(
      json_.get(),
      "{\"row\": %s, \"section\": %s, \"samples\": %zu, \"p50\": %.2f, \"p99\": %.2f, "
      "\"p999\": %.2f, \"tm\": %.2f, \"ratio\": %.3f, \"repeated\": %llu, \"dirty\": %llu, "
      "\"refused\": %llu, \"curve\": [",
      quoted(row.name).c_str(), quoted(section_).c_str(), row.ticks.size(), f.p50, f.p99, f.p999,
      f.tm, ratio, static_cast<unsigned long long>(row.repeated_blocks),
      static_cast<unsigned long long>(row.dirty_blocks),
      static_cast<unsigned long long>(row.refused));
  const char* comma = "";
  for (const auto& [percentile, ns] : curve_of(row, ticks_per_ns, empty_p50)) {
    std::fprintf(json_.get(), "%s[%.4f, %.1f]", comma, percentile, ns);
    comma = ", ";
  }
  std::fprintf(json_.get(), "]}\n");
}

void Report::figure(const std::string& name, double value, const std::string& unit) {
  if (!gates_only_) std::printf("%-44s %9.2f %s\n", name.c_str(), value, unit.c_str());
  if (json_) {
    std::fprintf(json_.get(), "{\"figure\": %s, \"section\": %s, \"value\": %.4f, \"unit\": %s}\n",
                 quoted(name).c_str(), quoted(section_).c_str(), value, quoted(unit).c_str());
  }
}

void Report::cell(const std::string& row, const std::string& column, double value,
                  const std::string& unit) {
  if (!gates_only_)
    std::printf("%-34s %-22s %9.2f %s\n", row.c_str(), column.c_str(), value, unit.c_str());
  if (json_) {
    std::fprintf(json_.get(),
                 "{\"figure\": %s, \"column\": %s, \"section\": %s, \"value\": %.4f, "
                 "\"unit\": %s}\n",
                 quoted(row).c_str(), quoted(column).c_str(), quoted(section_).c_str(), value,
                 quoted(unit).c_str());
  }
}

void Report::note(const std::string& text) {
  if (!gates_only_) std::printf("%s\n", text.c_str());
  if (json_) {
    std::fprintf(json_.get(), "{\"note\": %s, \"section\": %s}\n", quoted(text).c_str(),
                 quoted(section_).c_str());
  }
}

void Report::gate_at_most(const std::string& name, double value, double limit,
                          const std::string& unit) {
  gate(name, value, "<=", limit, unit, value <= limit);
}

void Report::gate_at_least(const std::string& name, double value, double limit,
                           const std::string& unit) {
  gate(name, value, ">=", limit, unit, value >= limit);
}

void Report::gate(const std::string& name, double value, const char* relation, double limit,
                  const std::string& unit, bool passed) {
  passed_ = passed_ && passed;
  std::printf("%s %s %.2f %s %g %s\n", passed ? "PASS" : "FAIL", name.c_str(), value, relation,
              limit, unit.c_str());
  if (json_) {
    std::fprintf(
        json_.get(),
        "{\"gate\": %s, \"value\": %.4f, \"relation\": \"%s\", \"limit\": %g, \"unit\": %s, "
        "\"passed\": %s}\n",
        quoted(name).c_str(), value, relation, limit, quoted(unit).c_str(),
        passed ? "true" : "false");
  }
}

void Report::gate_not_measured(const std::string& name, const std::string& reason) {
  passed_ = false;
  std::printf("FAIL %s not measured: %s\n", name.c_str(), reason.c_str());
  if (!json_) return;
  std::fprintf(json_.get(),
               "{\"gate\": %s, \"value\": null, \"relation\": \"\", \"limit\": 0, \"unit\": \"\", "
               "\"passed\": false, \"reason\": %s}\n",
               quoted(name).c_str(), quoted(reason).c_str());
}

}  // namespace ddt::bench
