#pragma once

#include <span>
#include <vector>

#include "core/mlp_layout.h"

namespace trustregion::reference {

// Activations of one row: input[l] is what layer l reads (input[0] the observation), derivative[l]
// the activation's derivative at layer l's preactivation (hidden layers), output the head.
struct RowActivations {
  std::vector<std::vector<double>> input;
  std::vector<std::vector<double>> derivative;
  std::vector<double> output;
};

// z_l = W_l x_l + b_l, x_{l+1} = phi(z_l)
void forward(const MlpLayout& layout, std::span<const double> parameters, const double* observation,
             RowActivations& row);

// J v: the change of the head when the parameters move along `direction`.
//   dz_l = W_l dx_l + dW_l x_l + db_l,   dx_{l+1} = phi'(z_l) dz_l
void tangent(const MlpLayout& layout, std::span<const double> parameters,
             std::span<const double> direction, const RowActivations& row, double* headTangent);

// sum += J' u: adds the gradient of u'head to `sum`; with `squared` it adds the element-wise square
// of that gradient instead (for the Fisher diagonal).
void backward(const MlpLayout& layout, std::span<const double> parameters,
              const RowActivations& row, const double* headCotangent, std::span<double> sum,
              bool squared = false);

}  // namespace trustregion::reference
