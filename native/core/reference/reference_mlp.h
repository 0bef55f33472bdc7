#pragma once

#include <span>
#include <vector>

#include "core/function_ref.h"
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

// Calls visit(l, u_l, x_l) for each layer from the last to the first: u_l the gradient of u'head
// with respect to the preactivation z_l, x_l what the layer reads. J'u is u_l x_l' and u_l for all
// layers.
void visitBackward(
    const MlpLayout& layout, std::span<const double> parameters, const RowActivations& row,
    const double* headCotangent,
    FunctionRef<void(size_t layer, std::span<const double> u, std::span<const double> x)> visit);

// sum += J' u: adds the gradient of u'head to `sum`.
void backward(const MlpLayout& layout, std::span<const double> parameters,
              const RowActivations& row, const double* headCotangent, std::span<double> sum);

}  // namespace trustregion::reference
