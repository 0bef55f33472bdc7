#pragma once

#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

// The tests' own framework. A file holds cases, CASE("name") { ... }, or adds them in a loop with
// addCase(name, function), and ends with TEST_MAIN(). Each case prints one line. A case fails if a
// check fails, if an exception leaves it, or if it checked nothing. Checks belong to the main
// thread.
namespace trustregion::test {

struct TestCase {
  std::string name;
  std::function<void()> run;
};

inline std::vector<TestCase>& allCases() {
  static std::vector<TestCase> cases;
  return cases;
}

inline bool addCase(std::string name, std::function<void()> run) {
  allCases().push_back({std::move(name), std::move(run)});
  return true;
}

// Thrown by a case that this machine cannot run.
struct Skipped {
  std::string reason;
};

[[noreturn]] inline void skipCase(const std::string& reason) { throw Skipped{reason}; }

// Checks and failures of the running case, and what it is looping over.
struct Progress {
  long checks = 0;
  long failures = 0;
  std::vector<std::string> context;
};

inline Progress& progress() {
  static Progress state;
  return state;
}

// Names the current round of a loop in the messages of failing checks.
class Context {
 public:
  template <class... Parts>
  explicit Context(const Parts&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    progress().context.push_back(text.str());
  }
  ~Context() { progress().context.pop_back(); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

inline void record(bool passed, const std::string& message, const char* file, int line) {
  constexpr long kMostMessages = 10;  // of one case
  progress().checks++;
  if (passed || ++progress().failures > kMostMessages) return;
  const char* slash = std::strrchr(file, '/');
  std::printf("  %s:%d: %s", slash != nullptr ? slash + 1 : file, line, message.c_str());
  for (const std::string& context : progress().context) std::printf(" [%s]", context.c_str());
  std::printf("\n");
}

inline std::string describe(double value) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.17g", value);
  return text;
}

// A NaN is never near anything.
inline void recordNear(double actual, double expected, double tolerance, const char* what,
                       const char* file, int line) {
  const bool passed = std::abs(actual - expected) <= tolerance || actual == expected;
  record(passed,
         passed ? std::string()
                : std::string(what) + " = " + describe(actual) + ", expected " +
                      describe(expected) + " within " + describe(tolerance) + ", off by " +
                      describe(std::abs(actual - expected)),
         file, line);
}

inline void recordThrows(ErrorCode code, const std::string& fragment,
                         const std::function<void()>& run, const char* what, const char* file,
                         int line) {
  std::string problem = "threw nothing";
  try {
    run();
  } catch (const Error& error) {
    problem.clear();
    if (error.code() != code) problem = "threw another code: ";
    if (std::string(error.what()).find(fragment) == std::string::npos) {
      problem += "message lacks '" + fragment + "': ";
    }
    if (!problem.empty()) problem += error.what();
  } catch (const std::exception& error) {
    problem = std::string("threw another type: ") + error.what();
  }
  record(problem.empty(), std::string(what) + " " + problem, file, line);
}

inline bool runCase(const TestCase& testCase) {
  progress() = {};
  const char* name = testCase.name.c_str();
  try {
    testCase.run();
  } catch (const Skipped& skipped) {
    std::printf("skip  %s: %s\n", name, skipped.reason.c_str());
    return true;
  } catch (const std::exception& error) {
    record(false, std::string("exception: ") + error.what(), "", 0);
  }
  if (progress().checks == 0) record(false, "checked nothing", "", 0);
  const Progress& done = progress();
  if (done.failures == 0) {
    std::printf("ok    %s (%ld checks)\n", name, done.checks);
  } else {
    std::printf("FAIL  %s (%ld of %ld checks)\n", name, done.failures, done.checks);
  }
  std::fflush(stdout);
  return done.failures == 0;
}

// Runs the cases whose name contains the first argument, or all. Exit status 1 if any failed.
inline int runCases(int argumentCount, char** arguments) {
  const std::string filter = argumentCount > 1 ? arguments[1] : "";
  int run = 0;
  int failed = 0;
  for (const TestCase& testCase : allCases()) {
    if (testCase.name.find(filter) == std::string::npos) continue;
    run++;
    if (!runCase(testCase)) failed++;
  }
  std::printf("%d cases, %d failed\n", run, failed);
  return failed == 0 && run > 0 ? 0 : 1;
}

}  // namespace trustregion::test

#define CHECK_JOIN_(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN_(a, b)

#define CASE_NAMED(name, function)                                 \
  static void function();                                          \
  [[maybe_unused]] static const bool CHECK_JOIN(function, Added) = \
      ::trustregion::test::addCase(name, function);                \
  static void function()
#define CASE(name) CASE_NAMED(name, CHECK_JOIN(caseOfLine, __LINE__))

#define CHECK(...) \
  ::trustregion::test::record(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

// |actual - expected| <= tolerance
#define CHECK_NEAR(actual, expected, tolerance) \
  ::trustregion::test::recordNear(actual, expected, tolerance, #actual, __FILE__, __LINE__)

// |actual - expected| <= tolerance |expected|
#define CHECK_RELATIVE(actual, expected, tolerance)                                          \
  ::trustregion::test::recordNear(actual, expected, (tolerance)*std::abs(expected), #actual, \
                                  __FILE__, __LINE__)

// The rest of the arguments is an expression that throws an Error of this code whose message
// contains `fragment`.
#define CHECK_THROWS(code, fragment, ...) \
  ::trustregion::test::recordThrows(      \
      code, fragment, [&] { static_cast<void>(__VA_ARGS__); }, #__VA_ARGS__, __FILE__, __LINE__)

#define TEST_MAIN()                                                 \
  int main(int argumentCount, char** arguments) {                   \
    return ::trustregion::test::runCases(argumentCount, arguments); \
  }
