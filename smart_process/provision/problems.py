"""Refusals of a portal in words that say what to do."""

from __future__ import annotations

from b24.errors import AccessLost, Ambiguous, B24Error, SetupMissing, Throttled, Unavailable
from smart_process.schema import Words

NO_SENDER = "NO_MAIL_SENDER"
"""Our code for a portal that can send no mail at all; its own refusal has none."""
_PLAN = Words(
    "Тариф портала не позволяет создать ещё один смарт-процесс. Удалите ненужный смарт-процесс или "
    "смените тариф, "
    "затем повторите.",
    "The plan of this portal does not allow another smart process. Remove one you do not need or "
    "change the plan, "
    "then try again.",
    "Портал тарифі тағы бір смарт-процесс жасауға рұқсат бермейді. Қажетсізін жойыңыз немесе тарифті "
    "ауыстырып, "
    "қайталаңыз.",
)
_ITEMS = Words(
    "Тариф портала не позволяет добавлять или менять карточки смарт-процессов. Смените тариф и повторите.",
    "The plan of this portal does not allow adding or changing items of smart processes. Change the plan "
    "and try again.",
    "Портал тарифі смарт-процесс карточкаларын қосуға немесе өзгертуге рұқсат бермейді. Тарифті ауыстырып, қайталаңыз.",
)
_RIGHTS = Words(
    "Не хватает прав. Установить приложение может администратор портала с правом менять настройки CRM.",
    "Not enough rights. The app is installed by an administrator of the portal who may change CRM settings.",
    "Құқық жеткіліксіз. Қосымшаны CRM баптауларын өзгерте алатын портал әкімшісі орнатады.",
)
_SCOPE = Words(
    "Приложению не выданы нужные права доступа. Проверьте список прав в карточке приложения и "
    "установите его заново.",
    "The app was not given the access it needs. Check the permissions in the app's settings and "
    "install it again.",
    "Қосымшаға қажетті рұқсаттар берілмеген. Қосымша баптауларындағы рұқсаттарды тексеріп, қайта орнатыңыз.",
)
_ACCESS = Words(
    "Портал больше не принимает обращения приложения. Установите приложение заново под учётной "
    "записью администратора.",
    "The portal no longer accepts calls of the app. Install the app again as an administrator.",
    "Портал қосымшаның сұрауларын қабылдамайды. Қосымшаны әкімші ретінде қайта орнатыңыз.",
)
_BUSY = Words(
    "Портал занят или не отвечает. Ничего не потеряно: нажмите «Повторить» через минуту.",
    "The portal is busy or does not answer. Nothing is lost: press “Try again” in a minute.",
    "Портал бос емес немесе жауап бермейді. Ештеңе жоғалған жоқ: бір минуттан кейін «Қайталау» "
    "түймесін басыңыз.",
)
_OTHER = Words(
    "Портал отказал в этом действии. Нажмите «Повторить»; если не поможет, покажите код ошибки поддержке.",
    "The portal refused this action. Press “Try again”; if that does not help, show the error code to "
    "support.",
    "Портал бұл әрекеттен бас тартты. «Қайталау» түймесін басыңыз; көмектеспесе, қате кодын қолдау "
    "қызметіне көрсетіңіз.",
)
_NO_SENDER = Words(
    "Портал не может отправить письма. Подключите почтовый ящик к CRM или укажите адрес отправителя: настройки "
    "приложения, раздел «Почта».",
    "The portal cannot send mails. Connect a mailbox to the CRM or enter a sender’s address: settings of the app, "
    "section “Mail”.",
    "Портал хат жібере алмайды. CRM-ге пошта жәшігін қосыңыз немесе жіберушінің мекенжайын жазыңыз: қосымша "
    "баптаулары, «Пошта» бөлімі.",
)
INTERNAL = Words("Ошибка приложения.", "An error of the app.", "Қосымша қатесі.")
DEALS = Words("Сделка", "Deal", "Мәміле")
KINDS = {
    "mail": Words("письма", "mails", "хаттар"),
    "participation": Words("карточки участия", "participations", "қатысу карточкалары"),
    "event": Words("карточки мероприятий", "events", "іс-шара карточкалары"),
    "outcome": Words("сделки и задачи", "deals and tasks", "мәмілелер мен тапсырмалар"),
    "todo": Words("дела в сделках", "to-dos of deals", "мәмілелердегі істер"),
    "person": Words("контакты", "contacts", "контактілер"),
    "company": Words("компании", "companies", "компаниялар"),
    "effect": Words("комментарии и уведомления", "comments and notices", "пікірлер мен хабарламалар"),
    "merge": Words("объединение карточек", "merging of cards", "карточкаларды біріктіру"),
    "lead": Words("лиды", "leads", "лидтер"),
    "pull": Words("чтение карточек", "reading of cards", "карточкаларды оқу"),
    "pull_task": Words("чтение задач", "reading of tasks", "тапсырмаларды оқу"),
    "decide": Words("решения по гостям", "decisions about guests", "қонақтар бойынша шешімдер"),
    "close": Words("закрытие мероприятия", "closing of an event", "іс-шараны жабу"),
    "close_notice": Words("уведомление о закрытии", "notice of a closing", "жабу туралы хабарлама"),
    "provision": Words(
        "проверка настройки портала", "check of the portal's setup", "портал баптауын тексеру"
    ),
    "colleagues": Words("список сотрудников", "list of colleagues", "қызметкерлер тізімі"),
    "forms": Words("заявки форм", "submissions of forms", "нысандар өтінімдері"),
}
"""What waits, by kind of mark."""
_BY_CODE = {
    "CREATE_DYNAMIC_TYPE_RESTRICTED": _PLAN,
    "UPDATE_DYNAMIC_TYPE_RESTRICTED": _PLAN,
    "CREATE_DYNAMIC_ITEM_RESTRICTED": _ITEMS,
    "UPDATE_DYNAMIC_ITEM_RESTRICTED": _ITEMS,
    "ACCESS_DENIED": _RIGHTS,
    "INVALID_CREDENTIALS": _RIGHTS,
    "ALLOWED_ONLY_INTRANET_USER": _RIGHTS,
    "INSUFFICIENT_SCOPE": _SCOPE,
    NO_SENDER: _NO_SENDER,
}


def explain_code(code: str) -> Words | None:
    """What to do about a portal's code; ``None`` for one that says nothing by itself."""
    return _BY_CODE.get(code.upper())


def explain(error: B24Error) -> Words:
    """What to do about a refusal, in the three languages."""
    known = explain_code(error.code)
    if known:
        return known
    if isinstance(error, Throttled | Unavailable | Ambiguous):
        return _BUSY
    if isinstance(error, SetupMissing):
        return _SCOPE
    return _ACCESS if isinstance(error, AccessLost) else _OTHER
