#pragma once

#include <cstdlib>
#include <string>

namespace trustregion::test {

// Sets an environment variable, or removes it if there is no value.
inline void setVariable(const char* name, const char* value) {
#if defined(_WIN32)
  _putenv_s(name, value == nullptr ? "" : value);
#else
  if (value == nullptr) {
    unsetenv(name);
  } else {
    setenv(name, value, 1);
  }
#endif
}

}  // namespace trustregion::test
