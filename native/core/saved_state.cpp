#include "core/saved_state.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/number_span.h"

namespace trustregion {
namespace {

constexpr double kAnything = -std::numeric_limits<double>::infinity();
constexpr uint64_t kHalfWord = uint64_t{1} << 32;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::invalidArgument, "state " + what);
}

}  // namespace

SavedState::SavedState(std::span<const double> numbers)
    : numbers_(numbers.begin(), numbers.end()), isReading_(true) {
  NumberSpan(numbers_.data(), numbers_.size()).requireFinite("state");
}

std::span<const double> SavedState::next(size_t count) {
  if (count > numbers_.size() - position_) {
    throw Error(ErrorCode::shapeMismatch,
                "state must have more numbers than " + std::to_string(numbers_.size()));
  }
  position_ += count;
  return std::span(numbers_).subspan(position_ - count, count);
}

void SavedState::pass(std::span<double> numbers, double least) {
  if (!isReading_) {
    numbers_.insert(numbers_.end(), numbers.begin(), numbers.end());
    return;
  }
  const std::span<const double> from = next(numbers.size());
  for (size_t i = 0; i < numbers.size(); i++) {
    if (from[i] < least) {
      refuse("has " + std::to_string(from[i]) + " where no number is less than " +
             std::to_string(least));
    }
    numbers[i] = from[i];
  }
}

void SavedState::pass(std::span<double> numbers) { pass(numbers, kAnything); }

void SavedState::pass(double& number, double least) { pass(std::span(&number, 1), least); }

void SavedState::pass(RunningNormalizer& normalizer) {
  double count = normalizer.count();
  std::vector<double> mean = normalizer.mean();
  std::vector<double> squaredDeviations = normalizer.squaredDeviations();
  pass(count, 0);
  pass(mean);
  pass(squaredDeviations, 0);
  if (isReading_) normalizer.restore(count, mean.data(), squaredDeviations.data());
}

void SavedState::pass(Adam& adam) {
  auto [beta1, beta2] = adam.betaPowers();
  pass(beta1, 0);
  pass(beta2, 0);
  if (beta1 > 1 || beta2 > 1) refuse("has powers of Adam's beta beyond 1");
  adam.setBetaPowers({beta1, beta2});
  pass(adam.mean());
  pass(adam.square(), 0);
}

void SavedState::pass(Random& random) {
  Random::State words = random.state();
  bool isZero = true;
  for (uint64_t& word : words) {  // a double holds 53 bits
    const uint64_t high = word / kHalfWord;
    double halves[2] = {static_cast<double>(high), static_cast<double>(word % kHalfWord)};
    pass(std::span<double>(halves), 0);
    for (const double half : halves) {
      if (half >= static_cast<double>(kHalfWord) || half != std::floor(half)) {
        refuse("has " + std::to_string(half) + " where there must be 32 bits");
      }
    }
    word = static_cast<uint64_t>(halves[0]) * kHalfWord + static_cast<uint64_t>(halves[1]);
    isZero = isZero && word == 0;
  }
  if (isZero) refuse("has a random generator that cannot go on: all of its bits are 0");
  if (isReading_) random.setState(words);
}

bool SavedState::passFlag(bool isThere) {
  double flag = isThere ? 1 : 0;
  pass(flag, 0);
  if (flag != 0 && flag != 1) refuse("has " + std::to_string(flag) + " where there must be 0 or 1");
  return flag != 0;
}

void SavedState::pass(MethodState& state, size_t parameterCount) {
  pass(state.naturalDirection.damping, 0);
  std::vector<double>& direction = state.naturalDirection.direction;
  if (passFlag(!direction.empty())) {
    direction.resize(parameterCount);
    pass(direction);
  }
  pass(state.multiplier, -1);
  pass(state.klPenalty, -1);
  if (passFlag(state.adam != nullptr)) {
    Adam adam = state.adam ? *state.adam : Adam(parameterCount);
    pass(adam);
    state.adam = std::make_shared<const Adam>(std::move(adam));
  }
  if (passFlag(state.shuffling != nullptr)) {
    Random random = state.shuffling ? *state.shuffling : Random(0);
    pass(random);
    state.shuffling = std::make_shared<const Random>(random);
  }
}

void SavedState::finish() const {
  if (isReading_ && position_ != numbers_.size()) {
    throw Error(ErrorCode::shapeMismatch, "state must have " + std::to_string(position_) +
                                              " numbers, got " + std::to_string(numbers_.size()));
  }
}

}  // namespace trustregion
