#include "core/gauss_newton.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/vector_operations.h"

namespace trustregion {
namespace {

// A step at this damping is a gradient step so short that it lowers any loss which is not at its
// minimum. Not more, because the damping has to find its way back when new rows come.
constexpr double kLargestDamping = 1e4;
constexpr double kDampingFactor = 4;

// Loss and gradient over all rows.
class Loss {
 public:
  Loss(const LeastSquares& problem, const Backend& backend, unsigned threads)
      : regression_(backend.makeRegressionProblem(problem.layout, problem.observations,
                                                  problem.targets, problem.targets.size(),
                                                  problem.scaling, threads)),
        rows_(problem.targets.size()) {
    std::iota(rows_.begin(), rows_.end(), 0U);
  }

  double operator()(std::span<const double> parameters, std::span<double> gradient) const {
    return regression_->lossGradient(parameters, rows_, gradient);
  }

 private:
  std::unique_ptr<RegressionProblem> regression_;
  std::vector<uint32_t> rows_;
};

// G at fixed parameters, as the Fisher matrix of a Gaussian policy with one action and logStd 0.
// Its vectors have one more entry, for logStd; 0 there stays 0.
class GaussNewtonMatrix {
 public:
  GaussNewtonMatrix(const LeastSquares& problem, const Backend& backend, unsigned threads,
                    std::span<const double> parameters) {
    std::vector<double> extended(parameters.begin(), parameters.end());
    extended.push_back(0);
    const PolicyModel model{problem.layout, Distribution::gaussian(1)};
    problem_ = backend.makeProblem(model, extended, problem.scaling,
                                   {problem.targets.size(), problem.observations, {}, {}}, threads);
  }

  // direction = -(G + damping I)^-1 gradient, nearly; returns what the quadratic model promises.
  double solve(std::span<const double> gradient, double damping, int cgIterations,
               std::span<double> direction, int64_t& products) const {
    const size_t size = gradient.size();
    std::vector<double> b(size + 1, 0.0);
    axpby(-1, gradient, 0, std::span(b).first(size));
    std::vector<double> x(size + 1);
    std::vector<double> residual(size + 1);
    ConjugateGradientOptions options;
    options.iterations = cgIterations;
    const ConjugateGradientSummary summary =
        problem_->solve(b, {FisherEstimator::exact, damping}, options, x, residual, {});
    products += summary.products;
    std::copy_n(x.begin(), size, direction.begin());
    // (G + damping I) x = b - residual, so x'G x costs no product.
    const double slope = dot(x, b);
    const double curvature = slope - dot(x, residual) - damping * dot(x, x);
    return slope - curvature / 2;
  }

 private:
  std::unique_ptr<Problem> problem_;
};

}  // namespace

GaussNewtonSummary gaussNewton(const LeastSquares& problem, const Backend& backend,
                               const GaussNewtonOptions& options, double damping, unsigned threads,
                               std::span<double> parameters) {
  const size_t size = parameters.size();
  backend.roundParameters(parameters);
  const Loss objective(problem, backend, threads);
  std::vector<double> gradient(size);
  double loss = objective(parameters, gradient);
  if (!std::isfinite(loss) || !allFinite(gradient)) {
    throw Error(ErrorCode::notFinite,
                "the parameters must give finite values at the start of a fit, got a loss of " +
                    std::to_string(loss));
  }

  damping = std::max(damping, options.damping);
  const double largestDamping = std::max(kLargestDamping, options.damping);
  GaussNewtonSummary summary;
  std::unique_ptr<GaussNewtonMatrix> matrix;
  std::vector<double> direction(size);
  std::vector<double> candidate(size);
  std::vector<double> candidateGradient(size);
  while (summary.iterations < options.iterations && norm(gradient) > 0) {
    if (!matrix) {
      matrix = std::make_unique<GaussNewtonMatrix>(problem, backend, threads, parameters);
    }
    summary.iterations++;
    const double promised =
        matrix->solve(gradient, damping, options.cgIterations, direction, summary.products);
    for (size_t i = 0; i < size; i++) candidate[i] = parameters[i] + direction[i];
    backend.roundParameters(candidate);
    const double candidateLoss = objective(candidate, candidateGradient);
    const double came = loss - candidateLoss;
    // False also where something is not finite.
    const bool isBetter = came > 0 && allFinite(candidateGradient);
    if (!isBetter || !(came >= 0.25 * promised)) {
      damping = std::min(damping * kDampingFactor, largestDamping);
    } else if (came > 0.75 * promised) {
      damping = std::max(damping / kDampingFactor, options.damping);
    }
    if (!isBetter) continue;
    summary.acceptedSteps++;
    std::copy(candidate.begin(), candidate.end(), parameters.begin());
    std::swap(gradient, candidateGradient);
    loss = candidateLoss;
    matrix.reset();
  }
  summary.damping = damping;
  return summary;
}

}  // namespace trustregion
