// States as rows of numbers: what is written comes back with every bit, and nothing else is read.

#include "core/saved_state.h"

#include <cmath>

#include "core/random.h"
#include "guarded.h"
#include "problems.h"

namespace trustregion::test {
namespace {

std::vector<double> saved(MethodState state, size_t parameterCount) {
  SavedState writer;
  writer.pass(state, parameterCount);
  return writer.take();
}

MethodState restored(const std::vector<double>& numbers, size_t parameterCount) {
  SavedState reader(numbers);
  MethodState state;
  reader.pass(state, parameterCount);
  reader.finish();
  return state;
}

MethodState fullState() {
  MethodState state;
  state.naturalDirection.damping = 0.1;
  state.naturalDirection.direction = {1, -2, 1e-300};
  state.multiplier = 3;
  Adam adam(3);
  std::vector<double> parameters(3);
  for (int step = 0; step < 3; step++) adam.step(std::vector<double>{1, -1, 0.5}, 0.1, parameters);
  state.adam = std::make_shared<const Adam>(adam);
  Random random(7, 4);
  random.next();
  state.shuffling = std::make_shared<const Random>(random);
  return state;
}

CASE("a method's state comes back with every bit") {
  const MethodState state = fullState();
  const std::vector<double> numbers = saved(state, 3);
  MethodState again = restored(numbers, 3);
  CHECK(sameBits(saved(again, 3), numbers));
  CHECK(sameBits(again.naturalDirection.direction, state.naturalDirection.direction));
  CHECK(again.naturalDirection.damping == 0.1);
  CHECK(again.multiplier == 3);
  CHECK(again.klPenalty == -1);
  CHECK(again.shuffling->state() == state.shuffling->state());
  // Both take the same next step, which the powers of beta decide too.
  Adam first = *state.adam;
  Adam second = *again.adam;
  std::vector<double> a(3);
  std::vector<double> b(3);
  first.step(std::vector<double>{0.3, 0.2, -4}, 0.1, a);
  second.step(std::vector<double>{0.3, 0.2, -4}, 0.1, b);
  CHECK(sameBits(a, b));
}

CASE("an empty state stays empty") {
  const MethodState again = restored(saved(MethodState{}, 3), 3);
  CHECK(again.naturalDirection.direction.empty());
  CHECK(again.adam == nullptr && again.shuffling == nullptr);
  CHECK(again.multiplier == -1);
}

CASE("words of 64 bits come back") {
  Random random(1);
  random.setState({~uint64_t{0}, uint64_t{1} << 63, 1, 0});
  SavedState writer;
  writer.pass(random);
  const std::vector<double> numbers = writer.take();
  SavedState reader(numbers);
  Random other(2);
  reader.pass(other);
  reader.finish();
  CHECK(other.state() == random.state());
}

CASE("damaged numbers are refused") {
  const std::vector<double> numbers = saved(fullState(), 3);
  for (size_t length = 0; length < numbers.size(); length++) {
    const Context context("length ", length);
    CHECK_THROWS(ErrorCode::shapeMismatch, "state must have more numbers than",
                 restored({numbers.begin(), numbers.begin() + static_cast<ptrdiff_t>(length)}, 3));
  }
  std::vector<double> longer = numbers;
  longer.push_back(0);
  CHECK_THROWS(ErrorCode::shapeMismatch, "numbers, got", restored(longer, 3));
  std::vector<double> bad = numbers;
  bad[0] = -1;
  CHECK_THROWS(ErrorCode::invalidArgument, "no number is less", restored(bad, 3));
  bad = numbers;
  bad[2] = NAN;
  CHECK_THROWS(ErrorCode::notFinite, "state[2]", restored(bad, 3));
  bad = numbers;
  bad.back() = 0.5;
  CHECK_THROWS(ErrorCode::invalidArgument, "32 bits", restored(bad, 3));
  bad.back() = 0x1p32;
  CHECK_THROWS(ErrorCode::invalidArgument, "32 bits", restored(bad, 3));
  for (size_t i = bad.size() - 8; i < bad.size(); i++) bad[i] = 0;
  CHECK_THROWS(ErrorCode::invalidArgument, "all of its bits are 0", restored(bad, 3));
  bad = numbers;
  bad[8] = 1.5;  // a power of Adam's beta
  CHECK_THROWS(ErrorCode::invalidArgument, "Adam", restored(bad, 3));
}

CASE("a normaliser's deviations are never negative") {
  SavedState reader(std::vector<double>{2, 0, -1});
  RunningNormalizer normalizer(1, 10);
  CHECK_THROWS(ErrorCode::invalidArgument, "no number is less", reader.pass(normalizer));
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
