#pragma once

#include <stdexcept>
#include <string>

namespace trustregion {

// What went wrong, as a stable name. The binding turns each into the `code` of a JavaScript
// TrustRegionError (binding/errors.cpp holds the only table).
enum class ErrorCode {
  invalidArgument,  // an argument of the wrong kind
  shapeMismatch,    // an array of the wrong length
  notFinite,        // NaN or infinity where a number is needed
  outOfRange,       // a number or index outside its range
  unknownBackend,   // no backend of that name on this machine
  busy,             // the object is in use by an update that is still running
  closed,           // the object was closed
  internal,         // a defect of this library
};

// The only exception type that the core throws.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace trustregion
