#include "core/update_summary.h"

namespace trustregion {

const char* updateStatusName(UpdateStatus status) {
  switch (status) {
    case UpdateStatus::accepted:
      return "accepted";
    case UpdateStatus::zeroGradient:
      return "zeroGradient";
    case UpdateStatus::notFinite:
      return "notFinite";
    case UpdateStatus::negativeCurvature:
      return "negativeCurvature";
    case UpdateStatus::klExceeded:
      return "klExceeded";
    case UpdateStatus::noImprovement:
      break;
  }
  return "noImprovement";
}

UpdateStatus updateStatusOf(LineSearchStop stop) {
  switch (stop) {
    case LineSearchStop::accepted:
      return UpdateStatus::accepted;
    case LineSearchStop::klExceeded:
      return UpdateStatus::klExceeded;
    case LineSearchStop::noImprovement:
      return UpdateStatus::noImprovement;
    case LineSearchStop::notFinite:
      break;
  }
  return UpdateStatus::notFinite;
}

const char* naturalSolverName(NaturalSolver solver) {
  return solver == NaturalSolver::cholesky ? "cholesky" : "conjugateGradient";
}

const char* preconditionerName(Preconditioner preconditioner) {
  switch (preconditioner) {
    case Preconditioner::identity:
      return "none";
    case Preconditioner::jacobi:
      return "jacobi";
    case Preconditioner::kronecker:
      break;
  }
  return "kronecker";
}

}  // namespace trustregion
