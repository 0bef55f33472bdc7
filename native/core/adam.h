#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace trustregion {

// Adam (Kingma and Ba 2015, algorithm 1) with bias correction; minimises.
class Adam {
 public:
  static constexpr double kBeta1 = 0.9;
  static constexpr double kBeta2 = 0.999;
  static constexpr double kEpsilon = 1e-8;

  // mhat = m / (1 - beta1^t) and vhat = v / (1 - beta2^t), as what to multiply m and v with.
  struct Factors {
    double mean;  // with the learning rate
    double square;
  };

  explicit Adam(size_t size) : mean_(size, 0.0), square_(size, 0.0) {}

  // parameters -= learningRate mhat / (sqrt(vhat) + 1e-8)
  void step(std::span<const double> gradient, double learningRate, std::span<double> parameters);

  // For who takes the step himself, on moments of his own: counts it.
  Factors countStep(double learningRate);
  std::span<double> mean() { return mean_; }
  std::span<double> square() { return square_; }
  // beta1^t and beta2^t after t steps.
  std::pair<double, double> betaPowers() const { return {beta1Power_, beta2Power_}; }
  void setBetaPowers(std::pair<double, double> powers) {
    beta1Power_ = powers.first;
    beta2Power_ = powers.second;
  }

 private:
  double beta1Power_ = 1;
  double beta2Power_ = 1;
  std::vector<double> mean_;
  std::vector<double> square_;
};

}  // namespace trustregion
