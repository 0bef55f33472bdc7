#pragma once

#include <functional>

#include "problems.h"

namespace trustregion::test {

// Another problem's answers, counted, and changed where a test wants them to be.
class CountingProblem : public Problem {
 public:
  explicit CountingProblem(Problem& inner) : inner_(&inner) {}

  size_t parameterCount() const override { return inner_->parameterCount(); }
  size_t rows() const override { return inner_->rows(); }
  unsigned threads() const override { return inner_->threads(); }
  double orthogonalityTolerance() const override { return inner_->orthogonalityTolerance(); }
  MultiplySingle multiplySingle() const override { return inner_->multiplySingle(); }

  void surrogateGradient(std::span<double> gradient) override {
    gradients++;
    inner_->surrogateGradient(gradient);
  }
  void fisherProduct(std::span<const double> vector, std::span<double> product) override {
    products++;
    inner_->fisherProduct(vector, product);
    if (changeProduct) changeProduct(products, product);
  }
  void fisherDiagonal(std::span<double> diagonal) override {
    diagonals++;
    inner_->fisherDiagonal(diagonal);
  }
  void empiricalFisherProduct(std::span<const double> vector, std::span<double> product) override {
    empiricalProducts++;
    inner_->empiricalFisherProduct(vector, product);
    if (changeProduct) changeProduct(empiricalProducts, product);
  }
  KroneckerFactors kroneckerFactors(const KroneckerSampling& sampling) override {
    factors++;
    lastSampling = sampling;
    return inner_->kroneckerFactors(sampling);
  }
  ObjectiveValue objectiveGradient(std::span<const double> parameters, const Objective& objective,
                                   std::span<const uint32_t> rowList,
                                   std::span<double> gradient) override {
    objectiveGradients++;
    lastObjective = objective;
    rowLists.emplace_back(rowList.begin(), rowList.end());
    const ObjectiveValue value =
        inner_->objectiveGradient(parameters, objective, rowList, gradient);
    values.push_back(value);
    if (changeObjective) changeObjective(objectiveGradients, gradient);
    return value;
  }
  Evaluation evaluate(std::span<const double> parameters) override {
    evaluations++;
    Evaluation result = inner_->evaluate(parameters);
    if (changeEvaluation) changeEvaluation(evaluations, result);
    return result;
  }
  Evaluation evaluateInDouble(std::span<const double> parameters) override {
    doubleEvaluations++;
    return inner_->evaluateInDouble(parameters);
  }
  void compareRows(std::span<const double> parameters,
                   std::span<RowComparison> comparisons) override {
    inner_->compareRows(parameters, comparisons);
  }

  int gradients = 0;
  int products = 0;
  int empiricalProducts = 0;
  int diagonals = 0;
  int factors = 0;
  int objectiveGradients = 0;
  int evaluations = 0;
  int doubleEvaluations = 0;
  KroneckerSampling lastSampling;
  Objective lastObjective;
  std::vector<std::vector<uint32_t>> rowLists;  // of every objectiveGradient, and its value
  std::vector<ObjectiveValue> values;
  // Each is told how often it has been asked, from 1 on.
  std::function<void(int call, std::span<double> product)> changeProduct;
  std::function<void(int call, std::span<double> gradient)> changeObjective;
  std::function<void(int call, Evaluation& evaluation)> changeEvaluation;

 private:
  Problem* inner_;
};

}  // namespace trustregion::test
