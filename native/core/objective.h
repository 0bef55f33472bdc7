#pragma once

#include <limits>

#include "core/distribution.h"

namespace trustregion {

// What the first-order methods maximise at parameters theta', with r = pi_theta'(a|s) /
// pi_theta(a|s):
//
//   mean [ min(r A, clip(r, 1 - c, 1 + c) A) ] - klPenalty mean KL(theta || theta')
//                                              + entropyBonus mean H(theta')
//
// Without a clip range the first term is the plain surrogate, mean r A. (Schulman et al. 2017,
// "Proximal policy optimization algorithms", equations 7 and 8.)
struct Objective {
  double clipRange = std::numeric_limits<double>::infinity();  // c; infinite: no clipping
  double klPenalty = 0;
  double entropyBonus = 0;
};

// Value and parts of an objective, means over rows.
struct ObjectiveValue {
  double value = 0;         // the whole
  double surrogate = 0;     // its first term
  double meanKl = 0;        // not multiplied by the penalty
  double entropy = 0;       // not multiplied by the bonus
  double clipFraction = 0;  // part of the rows whose gradient the clipping takes away

  void add(const ObjectiveValue& other);
  void divideBy(double rows);
};

// The first term of one row with importance ratio r and advantage A.
struct ClippedSurrogate {
  double value;
  // d value / d log pi: r A, or 0 where r is past the bound that A pulls it towards and the term is
  // constant.
  double slope;
  bool isClipped;
};
ClippedSurrogate clippedSurrogate(double ratio, double advantage, double clipRange);

// One row of a batch, at the parameters of the batch and at the new ones.
struct ObjectiveRow {
  const double* oldHead;
  const double* oldLogStd;
  const double* newHead;
  const double* newLogStd;
  const double* action;
  double oldLogProbability;
  double advantage;
};

// The objective of one row. Writes its gradient with respect to the new head and the new logStd
// (Gaussian); `scratch` has room for as many numbers as both together.
ObjectiveValue objectiveOfRow(const Distribution& distribution, const Objective& objective,
                              const ObjectiveRow& row, double* headGradient, double* logStdGradient,
                              double* scratch);

}  // namespace trustregion
