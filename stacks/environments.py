"""The settings in which dev, staging and prod differ, and nothing else does.

To change an environment, edit `ENVIRONMENTS`. ``account`` and ``region`` may stay None: then the
templates fit any account and region, and everything synthesises without credentials. On the
command line ``-c account=… -c region=…`` sets them for the one environment that ``-c env=…`` names.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mlops_constructs.common.accounts import is_account
from mlops_constructs.common.errors import Problems

_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-\d")
_INSTANCE = re.compile(r"ml\.[a-z0-9-]+\.(\d*x?large|medium|small|nano|metal|metal-\d+xl)")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PLACE = ("account", "region")

#: What a user of Studio may be.
PERSONAS = ("data-scientist", "ml-engineer")

#: Days that logs may be kept to the CDK's name for them (`aws_logs.RetentionDays`).
LOG_RETENTION: Mapping[int, str] = {
    7: "ONE_WEEK",
    14: "TWO_WEEKS",
    30: "ONE_MONTH",
    60: "TWO_MONTHS",
    90: "THREE_MONTHS",
    180: "SIX_MONTHS",
    365: "ONE_YEAR",
    731: "TWO_YEARS",
    1827: "FIVE_YEARS",
    3653: "TEN_YEARS",
}


def _fits_cidr(text: str) -> bool:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        return False
    return network.is_private and 16 <= network.prefixlen <= 24


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment of the platform.

    Attributes:
        name: ``dev``, ``staging``, ``prod``; part of every stack's and resource's name.
        account: 12 digits, or None for whatever account is deployed to.
        region: Such as ``eu-west-1``, or None for whatever region is deployed to.
        team: Who runs it (tag ``Team``).
        cost_center: Who pays (tag ``CostCenter``).
        cidr: The VPC's IPv4 range, /16 to /24.
        zones: In how many availability zones the VPC stands, 2 or 3.
        max_parallel_steps: How many steps of a pipeline run at once.
        serving_instance: Instance type of the endpoint.
        serving_count: Instances of the endpoint while nothing scales it.
        serving_most: The most instances that scaling may start.
        canary_percent: Share of the fleet that a new model gets first, 1 to 50.
        bake_minutes: How long a share is watched before the next.
        capture_percent: Share of the requests that are captured for the monitor, 0 to 100.
        retrain: Schedule expression of the training pipeline, or None for none.
        retrain_approval_days: How long a person is asked before drift starts the training
            pipeline, 1 to 30; None when nobody is asked.
        retrain_on_data: Whether new raw data start the training pipeline.
        stale_after_days: After how many days without a successful training somebody is told; None
            for never.
        pipeline_parameters: This environment's defaults of the pipeline's parameters.
        adopt_models: Use the model package group that an earlier deployment has left.
        log_days: Days that logs are kept; a value that CloudWatch Logs takes.
        notify: Addresses told about alarms, failures and releases.
        destroy_data: Whether deleting a stack deletes its data. Never in prod.
        users: Studio user profiles, name to persona.
        audit: Whether a trail records who read and wrote which object, and the alerts topic is
            told when somebody changes the Studio domain or its users. CloudTrail bills by event.
        monthly_budget: What everything with the environment's tag may cost in a month, in USD;
            ``mlops-constructs cost`` says what stands.
        user_budget: What a user's apps, spaces and jobs in Studio may cost in a month, in USD;
            None for no budgets of users.
        serving_hours: Hours, UTC, between which the endpoint stands on working days, such as
            ``(7, 19)``; None for always. Never in prod.
    """

    name: str
    account: str | None = None
    region: str | None = None
    team: str
    cost_center: str
    cidr: str
    zones: int = 2
    max_parallel_steps: int = 4
    serving_instance: str
    serving_count: int
    serving_most: int
    canary_percent: int = 50
    bake_minutes: int
    capture_percent: int = 100
    retrain: str | None = None
    retrain_approval_days: int | None = 3
    retrain_on_data: bool = False
    stale_after_days: int | None = None
    pipeline_parameters: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    adopt_models: bool = False
    log_days: int
    notify: tuple[str, ...] = ()
    destroy_data: bool = False
    users: Mapping[str, str] = field(default_factory=dict)
    audit: bool = False
    monthly_budget: int
    user_budget: int | None = None
    serving_hours: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        problems = Problems(f"environment {self.name!r}")
        self._check_place(problems)
        self._check_sizes(problems)
        self._check_people(problems)
        problems.raise_if_any()

    def _check_place(self, problems: Problems) -> None:
        problems.check(
            re.fullmatch(r"[a-z][a-z0-9]{1,11}", self.name) is not None,
            "name",
            got=self.name,
            allowed="2 to 12 lower-case letters and digits, a letter first",
            instead="Write a short name such as 'dev'.",
        )
        problems.check(
            self.account is None or is_account(self.account),
            "account",
            got=self.account,
            allowed="12 digits, or None for any account",
            instead="Copy it from `aws sts get-caller-identity`.",
        )
        problems.check(
            self.region is None or _REGION.fullmatch(self.region) is not None,
            "region",
            got=self.region,
            allowed="a region such as 'eu-west-1', or None for any region",
            instead="List yours with `aws account list-regions`.",
        )
        problems.check(
            _fits_cidr(self.cidr),
            "cidr",
            got=self.cidr,
            allowed="a private IPv4 range of size /16 to /24",
            instead="Write for example '10.20.0.0/16'.",
        )
        problems.check(
            self.zones in (2, 3),
            "zones",
            got=self.zones,
            allowed="2 or 3",
            instead="SageMaker hosting needs two availability zones; write zones=2.",
        )

    def _check_sizes(self, problems: Problems) -> None:
        problems.check(
            _INSTANCE.fullmatch(self.serving_instance) is not None,
            "serving_instance",
            got=self.serving_instance,
            allowed="a SageMaker instance type",
            instead="Write for example 'ml.m5.large'.",
        )
        problems.check(
            1 <= self.serving_count <= self.serving_most,
            "serving_count and serving_most",
            got=(self.serving_count, self.serving_most),
            allowed="1 <= serving_count <= serving_most",
            instead="Raise serving_most or lower serving_count.",
        )
        problems.check(
            self.retrain_approval_days is None or 1 <= self.retrain_approval_days <= 30,
            "retrain_approval_days",
            got=self.retrain_approval_days,
            allowed="1 to 30, or None to ask nobody",
            instead="Write 3.",
        )
        problems.check(
            self.monthly_budget > 0,
            "monthly_budget",
            got=self.monthly_budget,
            allowed="more than 0",
            instead="Write what a month may cost, in USD.",
        )
        problems.check(
            self.user_budget is None or self.user_budget > 0,
            "user_budget",
            got=self.user_budget,
            allowed="more than 0, or None for no budgets of users",
            instead="Write what a user may cost in a month, in USD.",
        )
        problems.check(
            self.serving_hours is None or self.name != "prod",
            "serving_hours",
            got=self.serving_hours,
            allowed="None in prod",
            instead="Customers ask at night too: leave it out.",
        )
        problems.check(
            self.log_days in LOG_RETENTION,
            "log_days",
            got=self.log_days,
            allowed=f"one of {list(LOG_RETENTION)}",
            instead="CloudWatch Logs keeps logs for these numbers of days only.",
        )
        for name, least, most in (
            ("max_parallel_steps", 1, 100),
            ("canary_percent", 1, 50),
            ("bake_minutes", 0, 60),
            ("capture_percent", 0, 100),
        ):
            value = getattr(self, name)
            problems.check(
                least <= value <= most,
                name,
                got=value,
                allowed=f"{least} to {most}",
                instead=f"Write a number of {least} to {most}.",
            )

    def _check_people(self, problems: Problems) -> None:
        for address in self.notify:
            problems.check(
                _EMAIL.fullmatch(address) is not None,
                "notify",
                got=address,
                allowed="e-mail addresses",
                instead="Write for example 'ml-oncall@example.com'.",
            )
        for user, persona in self.users.items():
            problems.check(
                persona in PERSONAS,
                f"users[{user!r}]",
                got=persona,
                allowed=", ".join(PERSONAS),
                instead="Choose one of these personas.",
            )
        problems.check(
            not (self.destroy_data and self.name == "prod"),
            "destroy_data",
            got=True,
            allowed="False in prod",
            instead="Data of prod is deleted by hand, never with its stack.",
        )


ENVIRONMENTS: tuple[Environment, ...] = (
    Environment(
        name="dev",
        team="ml-platform",
        cost_center="ml-research",
        cidr="10.20.0.0/16",
        serving_instance="ml.m5.large",
        serving_count=2,
        serving_most=2,
        bake_minutes=3,
        retrain_approval_days=None,
        log_days=30,
        destroy_data=True,
        users={"ana": "data-scientist", "ben": "ml-engineer"},
        monthly_budget=600,
        user_budget=150,
        serving_hours=(7, 19),
        pipeline_parameters={"TuningJobs": 2, "TuningParallelJobs": 2},
    ),
    Environment(
        name="staging",
        team="ml-platform",
        cost_center="ml-research",
        cidr="10.21.0.0/16",
        serving_instance="ml.m5.large",
        serving_count=2,
        serving_most=4,
        bake_minutes=5,
        log_days=90,
        users={"ben": "ml-engineer"},
        audit=True,
        monthly_budget=800,
        user_budget=150,
    ),
    Environment(
        name="prod",
        team="ml-platform",
        cost_center="ml-product",
        cidr="10.22.0.0/16",
        zones=3,
        serving_instance="ml.m5.xlarge",
        serving_count=4,
        serving_most=12,
        canary_percent=25,
        bake_minutes=10,
        capture_percent=20,
        retrain="cron(0 3 ? * SUN *)",
        retrain_on_data=True,
        stale_after_days=15,
        log_days=365,
        notify=("ml-oncall@example.com",),
        users={"ben": "ml-engineer"},
        audit=True,
        monthly_budget=2500,
        user_budget=150,
    ),
)


def choose(
    context: Mapping[str, object], environments: tuple[Environment, ...] = ENVIRONMENTS
) -> tuple[Environment, ...]:
    """The environments to build, by the app's context.

    Args:
        context: ``env`` names one environment; without it all are built. ``account`` and
            ``region`` replace the settings of that one environment.
        environments: Those to choose from.

    Raises:
        ValidationError: If the environment is unknown, or account or region do not fit.
    """
    name = context.get("env")
    account, region = (str(context[key]) if context.get(key) else None for key in _PLACE)
    problems = Problems("app")
    known = {environment.name: environment for environment in environments}
    if name is None:
        problems.check(
            account is None and region is None,
            "-c account / -c region",
            got=[value for value in (account, region) if value],
            allowed="only together with -c env=NAME",
            instead=f"Say which environment they are for: -c env={environments[0].name}.",
        )
        problems.raise_if_any()
        return environments
    problems.check(
        name in known,
        "-c env",
        got=name,
        allowed=", ".join(known),
        instead="Choose one of these, or add yours to stacks/environments.py.",
    )
    problems.raise_if_any()
    chosen = known[str(name)]
    return (replace(chosen, account=account or chosen.account, region=region or chosen.region),)
