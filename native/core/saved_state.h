#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "core/adam.h"
#include "core/method.h"
#include "core/normalizer.h"
#include "core/random.h"

namespace trustregion {

// The numbers of a state in a row, to go to a file and come back with every bit. One function for
// each kind of state passes its numbers in order, whether they are written or read, so that the two
// cannot disagree.
class SavedState {
 public:
  SavedState() = default;
  // To be read; throws ErrorCode::notFinite.
  explicit SavedState(std::span<const double> numbers);

  bool isReading() const { return isReading_; }
  std::vector<double> take() { return std::move(numbers_); }

  // Reading throws ErrorCode::invalidArgument for numbers that no such state has.
  void pass(double& number, double least);
  void pass(std::span<double> numbers, double least);
  void pass(std::span<double> numbers);
  void pass(RunningNormalizer& normalizer);
  void pass(Adam& adam);
  // The words of the generator, without the second half of a pair of normal numbers.
  void pass(Random& random);
  // Of a method for a policy of `parameterCount`. Preconditioners are left out: the next update
  // makes one.
  void pass(MethodState& state, size_t parameterCount);
  // Throws ErrorCode::shapeMismatch if there are more.
  void finish() const;

 private:
  // Whether there is something; the number 1 or 0.
  bool passFlag(bool isThere);
  std::span<const double> next(size_t count);

  std::vector<double> numbers_;
  bool isReading_ = false;
  size_t position_ = 0;
};

}  // namespace trustregion
