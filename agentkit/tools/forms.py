"""How a service is asked to keep to schemas: of tools, and of an answer that has to be of a type."""

from agentkit.core.contract import Contract
from agentkit.core.output import Form
from agentkit.core.spec import ANSWER, OutputSpec, ToolSpec
from agentkit.core.values import dataclass
from agentkit.tools.dispatch import Dispatch
from agentkit.tools.output import Output, told
from agentkit.tools.strict import Loose, strict, strict_specs


@dataclass(frozen=True, slots=True)
class Asked:
    """What is told of tools and of the answer.

    Attributes:
        loose: which tools the service is not asked to keep to although that was wanted, and why.
        answer: why it is not asked to keep to the answer's schema where it is given one; empty: it is asked to.
    """

    tools: tuple[ToolSpec, ...]
    output: OutputSpec | None = None
    loose: tuple[str, ...] = ()
    answer: str = ""


def asked_for(dispatch: Dispatch, contract: Contract, *, strict_tools: bool) -> Asked:
    """Return what is told of an agent's tools and of its answer, under a contract row."""
    tools, loose = dispatch.specs, tuple[str, ...]()
    form: Form = "text"
    if dispatch.output is not None:
        others = tuple(spec for spec in tools if spec.bound.name != ANSWER)
        form = form_of(contract, tools=bool(others))
        tools = tools if form == "tool" else others
    if strict_tools:
        tools, loose = strict_specs(tools, contract.strict_tools)
    if dispatch.output is None:
        return Asked(tools, None, loose)
    output, why = _spec(dispatch.output, form)
    return Asked(tools, output, loose, why)


def form_of(contract: Contract, *, tools: bool) -> Form:
    """Return how an answer of a type is asked for.

    Beside tools, the service's own JSON modes are refused by some and keep the model from calling with others; a
    forced call is refused while models think: so the answer is the arguments of a tool that may be called.
    """
    if contract.typed_output != "auto":
        return contract.typed_output
    if tools:
        return "tool"
    if contract.json_mode:
        return "json_schema" if "json_schema" in contract.json_mode else "json_object"
    return "text" if contract.tools == "refused" else "tool"


def _spec(output: Output, form: Form) -> tuple[OutputSpec, str]:
    sent, kept, why = output.schema, False, ""
    if form == "json_schema":
        try:
            sent, kept = strict(output.schema), True
        except Loose as loose:  # asked for all the same: the check is ours
            why = str(loose)
    return OutputSpec(form, sent, told(form, output.schema), kept), why
