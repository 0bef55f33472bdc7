// The critic: that it learns, that rescaling its targets moves no prediction, that it is
// deterministic, and that a fit touches nothing until it is published.

#include "core/value_function.h"

#include <limits>

#include "core/advantages.h"
#include "guarded.h"
#include "problems.h"

namespace trustregion::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ValueFunctionConfig config(const std::string& backend = "reference") {
  ValueFunctionConfig values;
  values.observationSize = 3;
  values.hidden = {16};
  values.seed = 5;
  values.backend = backend;
  values.threads = 1;
  return values;
}

struct Data {
  explicit Data(size_t rows, uint64_t seed = 1) {
    Random random(seed);
    observations = normals(rows * 3, random);
    for (size_t row = 0; row < rows; row++) {
      const double* x = observations.data() + row * 3;
      targets.push_back(100 + 20 * std::sin(x[0]) + 5 * x[1] * x[2]);
    }
  }
  NumberSpan inputs() const { return {observations.data(), observations.size()}; }
  NumberSpan wanted() const { return {targets.data(), targets.size()}; }

  std::vector<double> observations;
  std::vector<double> targets;
};

std::vector<double> predictions(ValueFunction& function, const Data& data) {
  Guarded<double> values(data.targets.size());
  function.predict(data.inputs(), values.data());
  CHECK(values.intact() && values.complete());
  return {values.data(), values.data() + values.size()};
}

FitSummary fitAndPublish(ValueFunction& function, const Data& data, const FitOptions& options) {
  ValueFunctionState state = function.state();
  const FitSummary summary = function.computeFit(state, data.inputs(), data.wanted(), options);
  function.publish(std::move(state));
  return summary;
}

bool addForEachBackend() {
  for (const Backend* backend : allBackends()) {
    addCase("learns a known function on " + backend->name(), [=] {
      if (!backend->isSupported()) skipCase("not supported by this machine");
      ValueFunction function(config(backend->name()));
      const Data data(1000);
      const FitSummary first = fitAndPublish(function, data, {.epochs = 40, .learningRate = 3e-3});
      CHECK(first.explainedVarianceAfter > 0.9);
      CHECK(first.lossAfter < 0.1 * first.lossBefore);
      // What it learnt, not what it remembers.
      const Data fresh(500, 2);
      const std::vector<double> values = predictions(function, fresh);
      CHECK(explainedVariance({values.data(), values.size()}, fresh.wanted()) > 0.85);
      const FitSummary second = fitAndPublish(function, data, {.epochs = 40, .learningRate = 3e-3});
      CHECK(second.explainedVarianceAfter > first.explainedVarianceAfter);
      CHECK(second.explainedVarianceBefore == first.explainedVarianceAfter);
      CHECK(second.lossBefore == first.lossAfter);
    });

    // Statistics move, the last layer is rescaled, predictions stay.
    addCase("new statistics of the targets move no prediction on " + backend->name(), [=] {
      if (!backend->isSupported()) skipCase("not supported by this machine");
      ValueFunctionConfig values = config(backend->name());
      values.normalizeObservations = false;
      ValueFunction function(values);
      const Data data(200);
      fitAndPublish(function, data, {.epochs = 3});
      for (const double scale : {1.0, 50.0, 1e-3}) {
        const Context context("targets times ", scale);
        const std::vector<double> before = predictions(function, data);
        Data other(200, 3);
        for (double& target : other.targets) target *= scale;
        fitAndPublish(function, other, {.epochs = 0});
        const std::vector<double> after = predictions(function, data);
        const ValueSnapshot& snapshot = *function.state().snapshot;
        // The network's last layer sums 17 terms of weights times activations below one, in the
        // backend's precision, before and after; weights and bias are rounded to it as well.
        double terms = 0;
        const LayerLayout& last = function.layout().layers().back();
        for (size_t i = last.weightOffset; i <= last.biasOffset; i++) {
          terms += std::abs(snapshot.parameters[i]);
        }
        const double roundoff =
            backend->precision() == "float64" ? kDoubleRoundoff : kFloatRoundoff;
        const double tolerance =
            2 * 20 * roundoff * (terms * snapshot.targetStd + std::abs(snapshot.targetMean));
        for (size_t i = 0; i < before.size(); i++) CHECK_NEAR(after[i], before[i], tolerance);
      }
    });

    addCase("deterministic, for any number of threads on " + backend->name(), [=] {
      if (!backend->isSupported()) skipCase("not supported by this machine");
      const auto fitted = [&](unsigned threads, uint64_t seed) {
        ValueFunctionConfig values = config(backend->name());
        values.threads = threads;
        values.seed = seed;
        ValueFunction function(values);
        fitAndPublish(function, Data(1300), {.epochs = 2});
        fitAndPublish(function, Data(200, 4), {.epochs = 2});
        return function.state().snapshot->parameters;
      };
      const std::vector<double> one = fitted(1, 5);
      CHECK(sameBits(fitted(1, 5), one));
      for (const unsigned threads : {2U, 3U, 8U, 64U}) CHECK(sameBits(fitted(threads, 5), one));
      CHECK(!sameBits(fitted(1, 6), one));
    });
  }
  return true;
}

const bool kAdded = addForEachBackend();

CASE("the summary says what happened") {
  ValueFunction function(config());
  const Data data(130);
  const std::vector<double> before = predictions(function, data);
  const FitSummary summary = fitAndPublish(function, data, {.epochs = 3, .minibatchSize = 50});
  CHECK(summary.minibatches == 3 * 3);  // 50 + 50 + 30
  const std::vector<double> after = predictions(function, data);
  const auto loss = [&](const std::vector<double>& values) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); i++) sum += square(values[i] - data.targets[i]) / 2;
    return sum / static_cast<double>(values.size());
  };
  CHECK_RELATIVE(summary.lossBefore, loss(before), 130 * kDoubleRoundoff);
  CHECK_RELATIVE(summary.lossAfter, loss(after), 130 * kDoubleRoundoff);
  CHECK(summary.explainedVarianceAfter ==
        explainedVariance({after.data(), after.size()}, data.wanted()));
  CHECK(summary.seconds > 0);
}

CASE("a fit changes nothing until it is published") {
  ValueFunction function(config());
  const Data data(100);
  const auto snapshot = function.state().snapshot;
  const std::vector<double> parameters = snapshot->parameters;
  const std::vector<double> before = predictions(function, data);
  ValueFunctionState state = function.state();
  function.computeFit(state, data.inputs(), data.wanted(), {.epochs = 2});
  CHECK(function.state().snapshot == snapshot);
  CHECK(sameBits(snapshot->parameters, parameters));
  CHECK(function.state().observations.count() == 0 && function.state().targets.count() == 0);
  CHECK(sameBits(predictions(function, data), before));
  CHECK(state.snapshot->version == 1);

  // From the same state, the same fit: momenta and shuffling are part of the state.
  ValueFunctionState again = function.state();
  function.computeFit(again, data.inputs(), data.wanted(), {.epochs = 2});
  CHECK(sameBits(again.snapshot->parameters, state.snapshot->parameters));
  function.publish(std::move(state));
  CHECK(function.state().snapshot->version == 1);
  CHECK(!sameBits(predictions(function, data), before));
}

CASE("observations are standardised, targets too, or not, as asked") {
  for (const bool observations : {false, true}) {
    for (const bool targets : {false, true}) {
      ValueFunctionConfig values = config();
      values.normalizeObservations = observations;
      values.normalizeTargets = targets;
      ValueFunction function(values);
      fitAndPublish(function, Data(100), {.epochs = 1});
      const ValueSnapshot& snapshot = *function.state().snapshot;
      CHECK(snapshot.scaling.isIdentity() == !observations);
      CHECK((snapshot.targetStd == 1 && snapshot.targetMean == 0) == !targets);
      if (targets) CHECK_NEAR(snapshot.targetMean, 100, 10);
    }
  }
}

CASE("gradients too large for the backend's squares are refused") {
  for (const std::string& backend : supportedBackendNames()) {
    const Context context(backend);
    ValueFunctionConfig values = config(backend);
    values.normalizeTargets = false;
    ValueFunction function(values);
    Data data(100);
    for (double& target : data.targets) target *= 1e25;
    if (function.backend().precision() == "float64") {
      CHECK(std::isfinite(fitAndPublish(function, data, {.epochs = 1}).lossAfter));
      continue;
    }
    CHECK_THROWS(ErrorCode::notFinite, "squared gradients of the fit[",
                 fitAndPublish(function, data, {.epochs = 1}));
    CHECK(function.state().snapshot->version == 0);
  }
}

// Targets in other units are the same task: once they are standardised, the very same numbers but
// for rounding. Holds for the first fit (a critic that has seen nothing has nothing to preserve)
// and for later ones.
CASE("offset and unit of the targets do not matter") {
  const Data data(300);
  const auto fitted = [&](double offset, double unit) {
    ValueFunction function(config());
    Data other = data;
    for (double& target : other.targets) target = offset + unit * target;
    fitAndPublish(function, other, {.epochs = 5});
    fitAndPublish(function, other, {.epochs = 5});
    std::vector<double> values = predictions(function, data);
    for (double& value : values) value = (value - offset) / unit;
    return values;
  };
  const std::vector<double> expected = fitted(0, 1);
  for (const double offset : {-100.0, 1000.0}) {
    for (const double unit : {0.01, 8.0}) {
      const Context context("offset ", offset, " unit ", unit);
      const std::vector<double> values = fitted(offset, unit);
      // Standardised targets differ by roundings of the offset over the deviation (about 14 units,
      // so at most 1e4 of them for the smallest unit); thirty steps of Adam magnify a difference
      // by less than a thousand.
      for (size_t i = 0; i < values.size(); i++) {
        CHECK_NEAR(values[i], expected[i], 1e3 * 1e4 * 14 * kDoubleRoundoff);
      }
    }
  }
}

CASE("constant targets are learnt at once") {
  ValueFunction function(config());
  Data data(100);
  data.targets.assign(100, 7.25);
  const FitSummary summary = fitAndPublish(function, data, {.epochs = 30, .learningRate = 1e-2});
  CHECK(std::isnan(summary.explainedVarianceAfter));
  for (const double value : predictions(function, data)) CHECK_NEAR(value, 7.25, 0.2);
}

CASE("one row, and minibatches longer than the data") {
  ValueFunction function(config());
  const FitSummary summary = fitAndPublish(function, Data(1), {.epochs = 4, .minibatchSize = 999});
  CHECK(summary.minibatches == 4);
  CHECK(std::isfinite(summary.lossAfter));
}

CASE("setParameters: a new version, or a refusal that changes nothing") {
  for (const std::string& backend : supportedBackendNames()) {
    const Context context(backend);
    ValueFunction function(config(backend));
    std::vector<double> parameters(function.layout().parameterCount(), 0.25);
    function.setParameters({parameters.data(), parameters.size()});
    const auto snapshot = function.state().snapshot;
    CHECK(snapshot->version == 1);
    CHECK(sameBits(snapshot->parameters, parameters));
    parameters[3] = kNaN;
    CHECK_THROWS(ErrorCode::notFinite, "parameters[3]",
                 function.setParameters({parameters.data(), parameters.size()}));
    parameters[3] = function.backend().precision() == "float32" ? 1e39 : HUGE_VAL;
    CHECK_THROWS(ErrorCode::notFinite, "parameters[3]",
                 function.setParameters({parameters.data(), parameters.size()}));
    CHECK_THROWS(ErrorCode::shapeMismatch, "parameters must have length",
                 function.setParameters({parameters.data(), parameters.size() - 1}));
    CHECK(function.state().snapshot == snapshot);
  }
}

CASE("refusals") {
  ValueFunction function(config());
  const auto refuses = [&](ErrorCode code, const char* text, auto change) {
    Data data(10);
    change(data);
    ValueFunctionState state = function.state();
    CHECK_THROWS(code, text, function.computeFit(state, data.inputs(), data.wanted(), {}));
    CHECK(function.state().snapshot->version == 0);
  };
  refuses(ErrorCode::notFinite, "observations[7]", [](Data& d) { d.observations[7] = kNaN; });
  refuses(ErrorCode::notFinite, "targets[9]", [](Data& d) { d.targets[9] = HUGE_VAL; });
  refuses(ErrorCode::shapeMismatch, "observations must have length 30",
          [](Data& d) { d.observations.pop_back(); });
  refuses(ErrorCode::outOfRange, "at least one row", [](Data& d) {
    d.observations.clear();
    d.targets.clear();
  });
  const std::vector<double> partial(4, 0.5);  // one row and a third
  std::vector<double> values(2);
  CHECK_THROWS(ErrorCode::shapeMismatch, "observations",
               function.predict({partial.data(), 4}, values.data()));
  const std::vector<double> bad = {0, kNaN, 0};
  CHECK_THROWS(ErrorCode::notFinite, "observations[1]",
               function.predict({bad.data(), 3}, values.data()));
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
