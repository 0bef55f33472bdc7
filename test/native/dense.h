#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "core/conjugate_gradient.h"
#include "core/random.h"
#include "problems.h"

// Dense symmetric matrices for the tests of solvers: an operator, and a direct solution.
namespace trustregion::test {

class Dense {
 public:
  explicit Dense(size_t size) : size_(size), values_(size * size) {}

  size_t size() const { return size_; }
  double& at(size_t i, size_t j) { return values_[i * size_ + j]; }
  double at(size_t i, size_t j) const { return values_[i * size_ + j]; }

  std::vector<double> times(std::span<const double> x) const {
    std::vector<double> y(size_);
    for (size_t i = 0; i < size_; i++) {
      for (size_t j = 0; j < size_; j++) y[i] += at(i, j) * x[j];
    }
    return y;
  }

  LinearOperator asOperator() const {
    return [this](std::span<const double> x, std::span<double> y) {
      const std::vector<double> product = times(x);
      for (size_t i = 0; i < size_; i++) y[i] = product[i];
    };
  }

  // Solves by Cholesky's factorisation A = L L'.
  std::vector<double> solve(std::span<const double> b) const {
    Dense factor(size_);
    for (size_t i = 0; i < size_; i++) {
      for (size_t j = 0; j <= i; j++) {
        double sum = at(i, j);
        for (size_t k = 0; k < j; k++) sum -= factor.at(i, k) * factor.at(j, k);
        factor.at(i, j) = i == j ? std::sqrt(sum) : sum / factor.at(j, j);
      }
    }
    std::vector<double> x(b.begin(), b.end());
    for (size_t i = 0; i < size_; i++) {
      for (size_t k = 0; k < i; k++) x[i] -= factor.at(i, k) * x[k];
      x[i] /= factor.at(i, i);
    }
    for (size_t i = size_; i-- > 0;) {
      for (size_t k = i + 1; k < size_; k++) x[i] -= factor.at(k, i) * x[k];
      x[i] /= factor.at(i, i);
    }
    return x;
  }

 private:
  size_t size_;
  std::vector<double> values_;
};

inline Dense diagonalMatrix(const std::vector<double>& diagonal) {
  Dense matrix(diagonal.size());
  for (size_t i = 0; i < diagonal.size(); i++) matrix.at(i, i) = diagonal[i];
  return matrix;
}

// Q diag(eigenvalues) Q' with Q a product of random reflections.
inline Dense withEigenvalues(const std::vector<double>& eigenvalues, Random& random) {
  const size_t size = eigenvalues.size();
  Dense matrix = diagonalMatrix(eigenvalues);
  for (int reflection = 0; reflection < 3; reflection++) {
    const std::vector<double> v = normals(size, random);
    double squaredNorm = 0;
    for (const double value : v) squaredNorm += value * value;
    // A <- H A H with H = I - 2 v v' / v'v, one side after the other.
    for (int side = 0; side < 2; side++) {
      for (size_t i = 0; i < size; i++) {
        const auto element = [&](size_t k) -> double& {
          return side == 0 ? matrix.at(i, k) : matrix.at(k, i);
        };
        double along = 0;
        for (size_t k = 0; k < size; k++) along += element(k) * v[k];
        for (size_t k = 0; k < size; k++) element(k) -= 2 * along * v[k] / squaredNorm;
      }
    }
  }
  return matrix;
}

}  // namespace trustregion::test
