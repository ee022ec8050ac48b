"""Who may do what: templates read, policies evaluated, the answers in a table.

`evaluation` decides as IAM does; `matrix` asks it about every role of the templates.
"""

from mlops_constructs.access.conditions import PolicyError
from mlops_constructs.access.estate import Estate, read_estates
from mlops_constructs.access.evaluation import Decision, Effect, Policies, Request, evaluate
from mlops_constructs.access.roles import Kind, Role, roles_of

__all__ = [
    "Decision",
    "Effect",
    "Estate",
    "Kind",
    "Policies",
    "PolicyError",
    "Request",
    "Role",
    "evaluate",
    "read_estates",
    "roles_of",
]
