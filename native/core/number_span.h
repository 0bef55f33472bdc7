#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace trustregion {

// A view of a caller's numbers in whichever type they came: float32, float64 or int32.
// Rollouts are float32 as a rule; the reference backend also reads float64 without rounding it.
class NumberSpan {
 public:
  enum class Type { float32, float64, int32 };

  NumberSpan() = default;
  NumberSpan(const float* data, size_t size) : data_(data), size_(size), type_(Type::float32) {}
  NumberSpan(const double* data, size_t size) : data_(data), size_(size), type_(Type::float64) {}
  NumberSpan(const int32_t* data, size_t size) : data_(data), size_(size), type_(Type::int32) {}

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Type type() const { return type_; }
  const void* data() const { return data_; }

  double operator[](size_t index) const {
    switch (type_) {
      case Type::float32:
        return static_cast<const float*>(data_)[index];
      case Type::float64:
        return static_cast<const double*>(data_)[index];
      case Type::int32:
        return static_cast<const int32_t*>(data_)[index];
    }
    return 0;
  }

  // Calls use(data) with the pointer of its type: for loops that need not ask for every number.
  template <class Use>
  void visit(const Use& use) const {
    switch (type_) {
      case Type::float32:
        return use(static_cast<const float*>(data_));
      case Type::float64:
        return use(static_cast<const double*>(data_));
      case Type::int32:
        return use(static_cast<const int32_t*>(data_));
    }
  }

  NumberSpan subspan(size_t offset, size_t count) const;

  // Throws ErrorCode::notFinite naming the array and the first offending index.
  void requireFinite(const char* name) const;

  // The same, and refuses what float32 cannot hold.
  void requireFiniteFloat32(const char* name) const;

  // Rows of `size` numbers; throws ErrorCode::shapeMismatch if there is a rest.
  size_t countRows(const char* name, size_t size) const;

  // Throws ErrorCode::shapeMismatch unless size() == expected. `meaning` explains the number,
  // for example "rows x observationSize = 2048 x 17".
  void requireSize(const char* name, size_t expected, const char* meaning) const;

  // Copies all values to `out`, converting the type once.
  void copyTo(double* out) const;
  void copyTo(float* out) const;

 private:
  const void* data_ = nullptr;
  size_t size_ = 0;
  Type type_ = Type::float32;
};

}  // namespace trustregion
