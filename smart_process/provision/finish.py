"""The first and the last step: may we, and what is everything called now."""

from __future__ import annotations

from smart_process.provision.fields import Owner, field_names, option_ids, owners
from smart_process.provision.stages import stage_codes
from smart_process.provision.workplace import Report, SetupProblem, Workplace
from smart_process.schema import SCOPES, TYPES, Binding, TypeBinding, Words, version


def check_rights(w: Workplace) -> Report:
    """Whether the app has its scopes and the installer is an administrator."""
    granted = {str(name).lower() for name in w.client.call("scope", {})}
    missing = sorted(SCOPES - granted)
    if missing:
        names = ", ".join(missing)
        raise SetupProblem(
            Words(
                f"Приложению не выданы права: {names}. Добавьте их в карточке приложения и установите "
                "его заново.",
                f"The app lacks permissions: {names}. Add them in the app's settings and install it again.",
                f"Қосымшаға рұқсаттар берілмеген: {names}. Оларды қосымша баптауларына қосып, қайта "
                "орнатыңыз.",
            ),
            "insufficient_scope",
        )
    return Report(found=sorted(SCOPES))


def read_binding(w: Workplace) -> Binding:
    """Names and codes of everything of ours in this portal.

    Raises:
        SetupProblem: a field or stage is not there (removed meanwhile): start again.
    """
    parts = {owner.key: _bind(w, owner) for owner in owners(w)}
    return Binding(**parts, version=version())


def _bind(w: Workplace, owner: Owner) -> TypeBinding:
    names, uppers = field_names(w, owner)
    enums = option_ids(w, owner)
    spec = TYPES.get(owner.key)
    stages = stage_codes(w, spec) if spec else {}
    complete = (
        len(names) == len(owner.specs)
        and len(stages) == len(spec.stages if spec else ())
        and all(len(enums[one.name]) == len(one.options) for one in owner.specs if one.options)
    )
    if not complete:
        raise SetupProblem(
            Words(
                "Пока приложение настраивалось, кто-то изменил его поля или стадии. Нажмите «Повторить».",
                "Somebody changed the app's fields or stages while it was being set up. Press “Try again”.",
                "Қосымша бапталып жатқанда біреу оның өрістерін немесе кезеңдерін өзгертті. "
                "«Қайталау» түймесін басыңыз.",
            ),
            "changed_meanwhile",
        )
    known = w.types.get(owner.key, {})
    return TypeBinding(
        id=owner.type_id,
        entity_type_id=owner.entity_type_id,
        category_id=int(known.get("category_id", 0)),
        stages=stages,
        fields=names,
        enums=enums,
        uppers=uppers,
        title=owner.title,
    )
