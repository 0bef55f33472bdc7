#include "core/reference/reference_backend.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/kronecker_sampling.h"
#include "core/reference/reference_mlp.h"
#include "core/rollout_copy.h"
#include "core/vector_operations.h"

namespace trustregion {
namespace {

using reference::RowActivations;

struct ReferenceWorkspace : Network::Workspace {
  std::vector<double> observation;
  RowActivations row;
};

class ReferenceNetwork : public Network {
 public:
  ReferenceNetwork(const MlpLayout& layout, std::span<const double> parameters)
      : layout_(layout), parameters_(parameters.begin(), parameters.end()) {}

  std::unique_ptr<Workspace> makeWorkspace() const override {
    auto workspace = std::make_unique<ReferenceWorkspace>();
    workspace->observation.resize(layout_.inputs());
    return workspace;
  }

  void forward(NumberSpan observations, size_t rows, const ObservationScaling& scaling,
               double* outputs, Workspace& workspace) const override {
    auto& [observation, row] = static_cast<ReferenceWorkspace&>(workspace);
    const size_t size = layout_.inputs();
    for (size_t i = 0; i < rows; i++) {
      scaling.apply(observations.subspan(i * size, size), 1, size, observation.data(), size);
      reference::forward(layout_, parameters_, observation.data(), row);
      std::copy(row.output.begin(), row.output.end(), outputs + i * layout_.outputs());
    }
  }

 private:
  MlpLayout layout_;
  std::vector<double> parameters_;
};

class ReferenceProblem : public Problem {
 public:
  ReferenceProblem(const PolicyModel& model, std::span<const double> parameters,
                   const ObservationScaling& scaling, const RolloutView& rollout)
      : model_(model),
        parameters_(parameters.begin(), parameters.end()),
        rollout_(model, rollout),
        activations_(rollout.rows) {
    const size_t size = model.observationSize();
    observations_.resize(rollout.rows * size);
    scaling.apply(rollout.observations, rollout.rows, size, observations_.data(), size);
    for (size_t row = 0; row < rollout.rows; row++) {
      reference::forward(model_.network, parameters_, observation(row), activations_[row]);
    }
  }

  size_t parameterCount() const override { return model_.parameterCount(); }
  size_t rows() const override { return activations_.size(); }

  void surrogateGradient(std::span<double> gradient) override {
    rollout_.requireActionsAndAdvantages();
    const Distribution& distribution = model_.distribution;
    std::vector<double> score(distribution.headSize());
    std::vector<double> logStdScore(distribution.logStdSize());
    std::fill(gradient.begin(), gradient.end(), 0.0);
    for (size_t row = 0; row < rows(); row++) {
      const double advantage = rollout_.advantages[row];
      distribution.score(activations_[row].output.data(), logStd(parameters_), action(row),
                         score.data(), logStdScore.data());
      for (double& value : score) value *= advantage;
      reference::backward(model_.network, parameters_, activations_[row], score.data(), gradient);
      for (size_t i = 0; i < logStdScore.size(); i++) {
        gradient[model_.logStdOffset() + i] += advantage * logStdScore[i];
      }
    }
    divideByRows(gradient);
  }

  void fisherProduct(std::span<const double> vector, std::span<double> product) override {
    const Distribution& distribution = model_.distribution;
    std::vector<double> headTangent(distribution.headSize());
    std::vector<double> headCotangent(distribution.headSize());
    std::fill(product.begin(), product.end(), 0.0);
    for (size_t row = 0; row < rows(); row++) {
      const RowActivations& activations = activations_[row];
      reference::tangent(model_.network, parameters_, vector, activations, headTangent.data());
      distribution.applyMetric(activations.output.data(), logStd(parameters_), headTangent.data(),
                               headCotangent.data());
      reference::backward(model_.network, parameters_, activations, headCotangent.data(), product);
    }
    divideByRows(product);
    for (size_t i = model_.logStdOffset(); i < parameterCount(); i++) product[i] = 2 * vector[i];
  }

  void fisherDiagonal(std::span<double> diagonal) override {
    // F = mean of J' B B' J with M = B B', so diag(F) is the mean over rows of the sum over
    // columns b of B of (J' b)^2.
    const Distribution& distribution = model_.distribution;
    std::vector<double> column(distribution.headSize());
    std::vector<double> product(parameterCount());
    std::fill(diagonal.begin(), diagonal.end(), 0.0);
    for (size_t row = 0; row < rows(); row++) {
      const RowActivations& activations = activations_[row];
      for (size_t i = 0; i < distribution.headSize(); i++) {
        distribution.metricFactorColumn(activations.output.data(), logStd(parameters_), i,
                                        column.data());
        std::fill(product.begin(), product.end(), 0.0);
        reference::backward(model_.network, parameters_, activations, column.data(), product);
        for (size_t j = 0; j < product.size(); j++) diagonal[j] += product[j] * product[j];
      }
    }
    divideByRows(diagonal);
    for (size_t i = model_.logStdOffset(); i < parameterCount(); i++) diagonal[i] = 2;
  }

  void empiricalFisherProduct(std::span<const double> vector, std::span<double> product) override {
    rollout_.requireActions();
    const Distribution& distribution = model_.distribution;
    std::vector<double> score(parameterCount());
    std::vector<double> headScore(distribution.headSize());
    std::fill(product.begin(), product.end(), 0.0);
    for (size_t row = 0; row < rows(); row++) {
      std::fill(score.begin(), score.end(), 0.0);
      distribution.score(activations_[row].output.data(), logStd(parameters_), action(row),
                         headScore.data(), score.data() + model_.logStdOffset());
      reference::backward(model_.network, parameters_, activations_[row], headScore.data(), score);
      axpby(dot(score, vector), score, 1, product);
    }
    divideByRows(product);
  }

  KroneckerFactors kroneckerFactors(const KroneckerSampling& sampling) override {
    const Distribution& distribution = model_.distribution;
    const size_t layers = model_.network.layers().size();
    KroneckerFactors factors = emptyKroneckerFactors(model_.network);
    double rowsUsed = 0;
    for (size_t row = 0; row < rows(); row += sampling.stride) {
      rowsUsed++;
      for (size_t l = 0; l < layers; l++) {
        std::vector<double> input = activations_[row].input[l];
        input.push_back(1);
        addOuterProduct(input, factors.layers[l].input);
      }
    }
    std::vector<InputWeight> weights;
    for (KroneckerFactors::Layer& layer : factors.layers) {
      for (double& value : layer.input) value /= rowsUsed;
      weights.emplace_back(layer.input);
    }
    std::vector<double> signs(distribution.headSize());
    std::vector<double> cotangent(distribution.headSize());
    std::vector<double> weightSums(layers);
    for (size_t row = 0; row < rows(); row += sampling.stride) {
      const RowActivations& activations = activations_[row];
      for (int probe = 0; probe < sampling.probes; probe++) {
        kroneckerSigns(sampling, row, probe, signs);
        distribution.metricFactorProduct(activations.output.data(), logStd(parameters_),
                                         signs.data(), cotangent.data());
        reference::visitBackward(
            model_.network, parameters_, activations, cotangent.data(),
            [&](size_t l, std::span<const double> u, std::span<const double> x) {
              const double weight = weights[l](x);
              weightSums[l] += weight;
              std::vector<double> scaled(u.begin(), u.end());
              for (double& value : scaled) value *= std::sqrt(weight);
              addOuterProduct(scaled, factors.layers[l].output);
            });
      }
    }
    for (size_t l = 0; l < layers; l++) {
      for (double& value : factors.layers[l].output) value /= weightSums[l];
    }
    return factors;
  }

  ObjectiveValue objectiveGradient(std::span<const double> parameters, const Objective& objective,
                                   std::span<const uint32_t> rowList,
                                   std::span<double> gradient) override {
    rollout_.requireActionsAndAdvantages();
    const Distribution& distribution = model_.distribution;
    const size_t headSize = distribution.headSize();
    const size_t logStdSize = distribution.logStdSize();
    std::vector<double> headGradient(headSize);
    std::vector<double> logStdGradient(logStdSize);
    std::vector<double> scratch(headSize + logStdSize);
    RowActivations candidate;
    std::fill(gradient.begin(), gradient.end(), 0.0);
    ObjectiveValue sum;
    const size_t count = rowList.empty() ? rows() : rowList.size();
    for (size_t i = 0; i < count; i++) {
      const size_t row = rowList.empty() ? i : rowList[i];
      const double* oldHead = activations_[row].output.data();
      reference::forward(model_.network, parameters, observation(row), candidate);
      const ObjectiveRow objectiveRow{
          oldHead,
          logStd(parameters_),
          candidate.output.data(),
          logStd(parameters),
          action(row),
          distribution.logProbability(oldHead, logStd(parameters_), action(row)),
          rollout_.advantages[row]};
      sum.add(objectiveOfRow(distribution, objective, objectiveRow, headGradient.data(),
                             logStdGradient.data(), scratch.data()));
      reference::backward(model_.network, parameters, candidate, headGradient.data(), gradient);
      for (size_t j = 0; j < logStdSize; j++) {
        gradient[model_.logStdOffset() + j] += logStdGradient[j];
      }
    }
    for (double& value : gradient) value /= static_cast<double>(count);
    sum.divideBy(static_cast<double>(count));
    return sum;
  }

  Evaluation evaluate(std::span<const double> parameters) override {
    const Distribution& distribution = model_.distribution;
    Evaluation sum;
    for (size_t row = 0; row < rows(); row++) {
      const RowActivations candidate = forward(parameters, row);
      const double kl = klOfRow(parameters, row, candidate);
      sum.addRow(kl, distribution.entropy(candidate.output.data(), logStd(parameters)));
      const double ratio = std::exp(logRatioOfRow(parameters, row, candidate));
      sum.addRatio(ratio);
      if (rollout_.hasActions() && rollout_.hasAdvantages()) {
        sum.surrogate += ratio * rollout_.advantages[row];
      }
    }
    sum.divideByRows(rows());
    return sum;
  }

  Evaluation evaluateInDouble(std::span<const double> parameters) override {
    return evaluate(parameters);
  }

  void compareRows(std::span<const double> parameters,
                   std::span<RowComparison> comparisons) override {
    for (size_t row = 0; row < rows(); row++) {
      const RowActivations candidate = forward(parameters, row);
      comparisons[row] = {klOfRow(parameters, row, candidate),
                          logRatioOfRow(parameters, row, candidate)};
    }
  }

 private:
  const double* observation(size_t row) const {
    return observations_.data() + row * model_.observationSize();
  }
  const double* action(size_t row) const {
    return rollout_.actions.data() + row * model_.distribution.actionSize();
  }
  const double* logStd(std::span<const double> parameters) const {
    return parameters.data() + model_.logStdOffset();
  }
  RowActivations forward(std::span<const double> parameters, size_t row) const {
    RowActivations activations;
    reference::forward(model_.network, parameters, observation(row), activations);
    return activations;
  }
  double klOfRow(std::span<const double> parameters, size_t row,
                 const RowActivations& candidate) const {
    return model_.distribution.kl(activations_[row].output.data(), logStd(parameters_),
                                  candidate.output.data(), logStd(parameters));
  }
  // 0 without actions
  double logRatioOfRow(std::span<const double> parameters, size_t row,
                       const RowActivations& candidate) const {
    if (!rollout_.hasActions()) return 0;
    const Distribution& distribution = model_.distribution;
    return distribution.logProbability(candidate.output.data(), logStd(parameters), action(row)) -
           distribution.logProbability(activations_[row].output.data(), logStd(parameters_),
                                       action(row));
  }
  static void addOuterProduct(std::span<const double> a, std::span<double> sum) {
    for (size_t i = 0; i < a.size(); i++) {
      for (size_t j = 0; j < a.size(); j++) sum[i * a.size() + j] += a[i] * a[j];
    }
  }
  void divideByRows(std::span<double> values) const {
    for (double& value : values) value /= static_cast<double>(rows());
  }

  PolicyModel model_;
  std::vector<double> parameters_;
  RolloutCopy rollout_;
  std::vector<double> observations_;
  std::vector<RowActivations> activations_;
};

class ReferenceRegression : public RegressionProblem {
 public:
  ReferenceRegression(const MlpLayout& layout, NumberSpan inputs, std::span<const double> targets,
                      const ObservationScaling& scaling)
      : layout_(layout),
        inputs_(targets.size() * layout.inputs()),
        targets_(targets.begin(), targets.end()) {
    inputs.requireSize("observations", inputs_.size(), "rows x observationSize");
    scaling.apply(inputs, targets.size(), layout.inputs(), inputs_.data(), layout.inputs());
  }

  double lossGradient(std::span<const double> parameters, std::span<const uint32_t> rows,
                      std::span<double> gradient) override {
    const double count = static_cast<double>(rows.size());
    std::fill(gradient.begin(), gradient.end(), 0.0);
    double loss = 0;
    RowActivations activations;
    for (const uint32_t row : rows) {
      reference::forward(layout_, parameters, inputs_.data() + row * layout_.inputs(), activations);
      const double error = activations.output[0] - targets_[row];
      loss += 0.5 * error * error;
      reference::backward(layout_, parameters, activations, &error, gradient);
    }
    for (double& value : gradient) value /= count;
    return loss / count;
  }

 private:
  MlpLayout layout_;
  std::vector<double> inputs_;
  std::vector<double> targets_;
};

class ReferenceBackend : public Backend {
 public:
  std::string name() const override { return "reference"; }
  std::string description() const override { return "naive loops in float64: the oracle"; }
  bool isSupported() const override { return true; }
  std::string precision() const override { return "float64"; }
  void roundParameters(std::span<double>) const override {}

  std::unique_ptr<Network> makeNetwork(const MlpLayout& layout,
                                       std::span<const double> parameters) const override {
    return std::make_unique<ReferenceNetwork>(layout, parameters);
  }

  std::unique_ptr<Problem> makeProblem(const PolicyModel& model, std::span<const double> parameters,
                                       const ObservationScaling& scaling,
                                       const RolloutView& rollout,
                                       const Resources&) const override {
    return std::make_unique<ReferenceProblem>(model, parameters, scaling, rollout);
  }

  std::unique_ptr<RegressionProblem> makeRegressionProblem(const MlpLayout& layout,
                                                           NumberSpan inputs,
                                                           std::span<const double> targets, size_t,
                                                           const ObservationScaling& scaling,
                                                           unsigned) const override {
    return std::make_unique<ReferenceRegression>(layout, inputs, targets, scaling);
  }
};

}  // namespace

const Backend& referenceBackend() {
  // Never destroyed, as the CPU's.
  static const auto& backend = *new ReferenceBackend;
  return backend;
}

}  // namespace trustregion
