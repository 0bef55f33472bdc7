// The live policy: acting, versions, and updates that change nothing until they are published.

#include "core/policy.h"

#include <algorithm>
#include <limits>
#include <thread>

#include "guarded.h"
#include "problems.h"

namespace trustregion::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

PolicyConfig config(DistributionKind kind = DistributionKind::gaussian) {
  PolicyConfig values;
  values.observationSize = 3;
  values.hidden = {8};
  values.distribution = kind;
  values.actionCounts = {2};
  if (kind == DistributionKind::categorical) values.actionCounts = {3, 2};
  values.seed = 7;
  values.backend = "reference";
  values.threads = 2;
  values.outputGain = 1;
  values.initialLogStd = -0.5;
  return values;
}

const std::vector<DistributionKind> kKinds = {
    DistributionKind::gaussian, DistributionKind::categorical, DistributionKind::bernoulli};

NumberSpan spanOf(const std::vector<double>& values) { return {values.data(), values.size()}; }

std::vector<double> observations(size_t rows, uint64_t seed = 1) {
  Random random(seed);
  return normals(rows * 3, random);
}

std::vector<double> actionsOf(Policy& policy, const std::vector<double>& inputs,
                              bool deterministic) {
  const size_t rows = inputs.size() / 3;
  Guarded<double> actions(rows * policy.model().distribution.actionSize());
  policy.act(spanOf(inputs), rows, deterministic, actions.data());
  CHECK(actions.intact() && actions.complete());
  return {actions.data(), actions.data() + actions.size()};
}

// Owns what an UpdateRequest points to.
struct Batch {
  Batch(Policy& policy, size_t rows, uint64_t seed = 2) : inputs(observations(rows, seed)) {
    actions = actionsOf(policy, inputs, false);
    Random random(seed);
    advantages = normals(rows, random);
  }
  UpdateRequest request() const {
    UpdateRequest values;
    values.rollout = {advantages.size(), spanOf(inputs), spanOf(actions), spanOf(advantages)};
    return values;
  }
  std::vector<double> inputs;
  std::vector<double> actions;
  std::vector<double> advantages;
};

CASE("initial parameters: reproducible, representable, logStd as asked, outputs small") {
  for (const std::string& backend : supportedBackendNames()) {
    const Context context(backend);
    PolicyConfig values = config();
    values.backend = backend;
    values.outputGain = 0.01;
    Policy a(values);
    Policy b(values);
    CHECK(a.snapshot()->version == 0);
    CHECK(sameBits(a.snapshot()->parameters, b.snapshot()->parameters));
    std::vector<double> rounded = a.snapshot()->parameters;
    a.backend().roundParameters(rounded);
    CHECK(sameBits(rounded, a.snapshot()->parameters));
    const size_t offset = a.model().logStdOffset();
    CHECK(a.snapshot()->parameters[offset] == -0.5 && a.snapshot()->parameters[offset + 1] == -0.5);
    // A last layer of norm 0.01 on eight tanh units: at most 0.01 sqrt(8).
    for (const double mean : actionsOf(a, observations(50), true)) {
      CHECK(std::abs(mean) <= 0.01 * std::sqrt(8.0));
    }
    values.seed = 8;
    CHECK(!sameBits(Policy(values).snapshot()->parameters, a.snapshot()->parameters));
  }
}

CASE("acting deterministically takes the mode of the head") {
  for (const DistributionKind kind : kKinds) {
    Policy policy(config(kind));
    const Distribution& distribution = policy.model().distribution;
    const Context context(describe(distribution));
    const std::vector<double> inputs = observations(20);
    std::vector<double> head(20 * distribution.headSize());
    policy.forward(spanOf(inputs), head.data());
    const std::vector<double> actions = actionsOf(policy, inputs, true);
    std::vector<double> mode(distribution.actionSize());
    for (size_t row = 0; row < 20; row++) {
      distribution.mode(head.data() + row * distribution.headSize(), mode.data());
      for (size_t i = 0; i < mode.size(); i++) CHECK(actions[row * mode.size() + i] == mode[i]);
      // One at a time or all together, the same.
      const std::vector<double> one(inputs.begin() + static_cast<long>(row * 3),
                                    inputs.begin() + static_cast<long>(row * 3 + 3));
      CHECK(sameBits(actionsOf(policy, one, true), mode));
    }
  }
}

CASE("sampling: by seed, and from the policy's own distribution") {
  for (const DistributionKind kind : kKinds) {
    Policy policy(config(kind));
    const Context context(describe(policy.model().distribution));
    const std::vector<double> inputs = observations(10);
    policy.seedSampling(3);
    const std::vector<double> first = actionsOf(policy, inputs, false);
    const std::vector<double> second = actionsOf(policy, inputs, false);
    CHECK(!sameBits(first, second));
    policy.seedSampling(3);
    CHECK(sameBits(actionsOf(policy, inputs, false), first));
    policy.seedSampling(4);
    CHECK(!sameBits(actionsOf(policy, inputs, false), first));

    // E[-log pi(a)] is the entropy, within three standard errors.
    constexpr size_t kSamples = 20000;
    std::vector<double> many;
    for (size_t i = 0; i < kSamples; i++) many.insert(many.end(), {0.3, -1.0, 0.5});
    std::vector<double> logP(kSamples);
    policy.logProbability(spanOf(many), spanOf(actionsOf(policy, many, false)), logP.data());
    double mean = 0;
    double squares = 0;
    for (const double value : logP) {
      mean -= value / kSamples;
      squares += value * value / kSamples;
    }
    double entropy = 0;
    policy.entropy(NumberSpan(many.data(), 3), &entropy);
    CHECK_NEAR(mean, entropy, 3 * std::sqrt((squares - mean * mean) / kSamples));
  }
}

CASE("every change of parameters or normaliser is a new version; old ones live on") {
  Policy policy(config());
  const auto first = policy.snapshot();
  std::vector<double> parameters = first->parameters;
  parameters[0] += 1;
  policy.setParameters(spanOf(parameters));
  CHECK(policy.snapshot()->version == 1);
  CHECK(sameBits(policy.snapshot()->parameters, parameters));
  policy.updateNormalizer(spanOf(observations(10)));
  CHECK(policy.snapshot()->version == 2);
  CHECK(sameBits(policy.snapshot()->parameters, parameters));
  CHECK(!policy.snapshot()->scaling.isIdentity());
  const double mean[] = {1, 2, 3};
  const double squaredDeviations[] = {4, 16, 64};
  policy.restoreNormalizer(4, mean, squaredDeviations);
  CHECK(policy.snapshot()->version == 3);
  CHECK(policy.snapshot()->scaling.mean == std::vector<double>({1, 2, 3}));
  CHECK(policy.snapshot()->scaling.inverseStd == std::vector<double>({1, 0.5, 0.25}));
  // The first snapshot is still what it was.
  CHECK(first->version == 0 && first->scaling.isIdentity() &&
        first->parameters[0] != parameters[0]);
}

CASE("setParameters refuses and changes nothing") {
  for (const std::string& backend : supportedBackendNames()) {
    const Context context(backend);
    PolicyConfig values = config();
    values.backend = backend;
    Policy policy(values);
    const auto snapshot = policy.snapshot();
    const double tooLarge = policy.backend().precision() == "float32" ? 1e39 : HUGE_VAL;
    for (const double bad : {kNaN, HUGE_VAL, -HUGE_VAL, tooLarge}) {
      std::vector<double> parameters = snapshot->parameters;
      parameters[5] = bad;
      CHECK_THROWS(ErrorCode::notFinite, "parameters[5]", policy.setParameters(spanOf(parameters)));
    }
    CHECK_THROWS(ErrorCode::shapeMismatch, "parameters must have length",
                 policy.setParameters(NumberSpan(snapshot->parameters.data(), 3)));
    CHECK(policy.snapshot() == snapshot);
  }
}

CASE("the normaliser scales what the network sees") {
  Policy policy(config());
  const std::vector<double> raw = observations(30);
  policy.updateNormalizer(spanOf(raw));
  std::vector<double> scaled(raw.size());
  policy.snapshot()->scaling.apply(spanOf(raw), 30, 3, scaled.data(), 3);
  Policy plain(config());
  plain.setParameters(spanOf(policy.snapshot()->parameters));
  CHECK(sameBits(actionsOf(policy, raw, true), actionsOf(plain, scaled, true)));
  CHECK(policy.normalizer().count() == 30);
  // Acting and evaluating never move it.
  CHECK(plain.normalizer().count() == 0);
}

CASE("an update leaves the policy alone, and its result can be published") {
  for (const std::string& backend : supportedBackendNames()) {
    const Context context(backend);
    PolicyConfig values = config();
    values.backend = backend;
    Policy policy(values);
    policy.updateNormalizer(spanOf(observations(50)));
    const Batch batch(policy, 200);
    const auto before = policy.snapshot();
    const std::vector<double> parameters = before->parameters;
    const UpdateResult result = policy.computeUpdate(*before, batch.request());
    CHECK(result.summary.status == UpdateStatus::accepted);
    CHECK(policy.snapshot() == before);
    CHECK(sameBits(before->parameters, parameters));
    CHECK(policy.normalizer().count() == 50);
    CHECK(result.snapshot->version == before->version + 1);
    CHECK(!sameBits(result.snapshot->parameters, parameters));
    CHECK(sameBits(result.snapshot->scaling.mean, before->scaling.mean));
    CHECK(result.summary.timing.total >= result.summary.timing.solve);
    // The same again, bit for bit.
    const UpdateResult again = policy.computeUpdate(*before, batch.request());
    CHECK(sameBits(again.snapshot->parameters, result.snapshot->parameters));
    policy.publish(result.snapshot);
    CHECK(policy.snapshot() == result.snapshot);
  }
}

CASE("an update keeps the normaliser of its snapshot, whatever has happened since") {
  Policy policy(config());
  policy.updateNormalizer(spanOf(observations(50)));
  const auto snapshot = policy.snapshot();
  const Batch batch(policy, 100);
  const UpdateResult alone = policy.computeUpdate(*snapshot, batch.request());
  policy.updateNormalizer(spanOf(observations(500, 9)));
  const UpdateResult later = policy.computeUpdate(*snapshot, batch.request());
  CHECK(sameBits(later.snapshot->parameters, alone.snapshot->parameters));
  CHECK(sameBits(later.snapshot->scaling.mean, snapshot->scaling.mean));
  CHECK(!sameBits(policy.snapshot()->scaling.mean, snapshot->scaling.mean));
}

CASE("a rejected update has no snapshot") {
  Policy policy(config());
  Batch batch(policy, 100);
  batch.advantages.assign(100, 0.1);  // constant: normalised to zero
  const UpdateResult result = policy.computeUpdate(*policy.snapshot(), batch.request());
  CHECK(result.summary.status == UpdateStatus::zeroGradient);
  CHECK(result.snapshot == nullptr);
  CHECK(policy.snapshot()->version == 0);
}

CASE("advantages are normalised, or not, as asked; the caller's stay as they are") {
  Policy policy(config());
  Batch batch(policy, 100);
  for (double& advantage : batch.advantages) advantage = 5 + 3 * advantage;
  const std::vector<double> advantages = batch.advantages;
  UpdateRequest request = batch.request();
  const UpdateResult normalized = policy.computeUpdate(*policy.snapshot(), request);
  CHECK_NEAR(normalized.summary.surrogateBefore, 0, 100 * kDoubleRoundoff);
  request.normalizeAdvantages = false;
  const UpdateResult raw = policy.computeUpdate(*policy.snapshot(), request);
  double mean = 0;
  for (const double advantage : advantages) mean += advantage / 100;
  CHECK_NEAR(raw.summary.surrogateBefore, mean, 100 * 8 * kDoubleRoundoff);
  CHECK(sameBits(batch.advantages, advantages));
}

CASE("acting while an update is computed elsewhere changes neither") {
  Policy policy(config());
  const Batch batch(policy, 400);
  const auto snapshot = policy.snapshot();
  const UpdateResult alone = policy.computeUpdate(*snapshot, batch.request());
  const std::vector<double> inputs = observations(5);
  const std::vector<double> actions = actionsOf(policy, inputs, true);
  UpdateResult beside;
  std::thread updater([&] { beside = policy.computeUpdate(*snapshot, batch.request()); });
  bool same = true;
  std::vector<double> now(actions.size());
  for (int i = 0; i < 200; i++) {
    policy.act(spanOf(inputs), 5, true, now.data());
    same = same && sameBits(now, actions);
  }
  updater.join();
  CHECK(same);
  CHECK(sameBits(beside.snapshot->parameters, alone.snapshot->parameters));
}

CASE("refusals") {
  Policy policy(config());
  std::vector<double> out(20);
  std::vector<double> inputs = observations(4);
  CHECK_THROWS(ErrorCode::shapeMismatch, "actions must have length 8",
               policy.logProbability(spanOf(inputs), NumberSpan(out.data(), 7), out.data()));
  // A row and a third is no batch, and so many numbers are not two rows.
  const NumberSpan partial(inputs.data(), 4);
  CHECK_THROWS(ErrorCode::shapeMismatch, "observations", policy.forward(partial, out.data()));
  CHECK_THROWS(ErrorCode::shapeMismatch, "observations", policy.entropy(partial, out.data()));
  CHECK_THROWS(ErrorCode::shapeMismatch, "observations",
               policy.act(NumberSpan(inputs.data(), 3), 2, true, out.data()));
  CHECK_THROWS(ErrorCode::shapeMismatch, "observations", policy.updateNormalizer(partial));
  inputs[5] = kNaN;
  CHECK_THROWS(ErrorCode::notFinite, "observations[5]",
               policy.act(spanOf(inputs), 4, true, out.data()));
  CHECK_THROWS(ErrorCode::notFinite, "observations[5]", policy.forward(spanOf(inputs), out.data()));
  CHECK_THROWS(ErrorCode::notFinite, "observations[5]", policy.entropy(spanOf(inputs), out.data()));
  CHECK_THROWS(ErrorCode::notFinite, "observations[5]", policy.updateNormalizer(spanOf(inputs)));
  CHECK(policy.normalizer().count() == 0 && policy.snapshot()->version == 0);
  Batch batch(policy, 10);
  batch.advantages[3] = kNaN;
  CHECK_THROWS(ErrorCode::notFinite, "advantages[3]",
               policy.computeUpdate(*policy.snapshot(), batch.request()));
  Policy chooser(config(DistributionKind::categorical));
  std::vector<double> action = {0, 2};
  CHECK_THROWS(ErrorCode::outOfRange, "actions[1]",
               chooser.logProbability(NumberSpan(inputs.data(), 3), spanOf(action), out.data()));
}

CASE("observations beyond float32 do not turn into actions") {
  for (const std::string& backend : supportedBackendNames()) {
    PolicyConfig values = config();
    values.backend = backend;
    Policy policy(values);
    if (policy.backend().precision() != "float32") continue;
    const Context context(backend);
    const std::vector<double> inputs = {1e39, 0, 0};
    std::vector<double> action(2);
    CHECK_THROWS(ErrorCode::notFinite, "observations[0]",
                 policy.act(spanOf(inputs), 1, true, action.data()));
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
