"""Texts of the scanner in Russian, English and Kazakh; the page hands them to its script as JSON."""

from __future__ import annotations

LANGUAGES = ("ru", "en", "kk")

_WORDS: dict[str, tuple[str, str, str]] = {
    "app": ("Сканер билетов", "Ticket scanner", "Билет сканері"),
    "enrol_title": ("Подключить телефон", "Enrol this phone", "Телефонды қосу"),
    "enrol_name": ("Как назвать этот телефон?", "What is this phone called?", "Бұл телефонды қалай атаймыз?"),
    "enrol_hint": (
        "По этому имени организатор узнает телефон, например «Вход 2, Айгуль».",
        "The organiser knows the phone by this name, for example “Entrance 2, Aigul”.",
        "Ұйымдастырушы телефонды осы атпен таниды, мысалы «2-кіреберіс, Айгүл».",
    ),
    "start": ("Начать", "Start", "Бастау"),
    "gates": ("Входы", "Gates", "Кіреберістер"),
    "any_gate": ("любой", "any", "кез келген"),
    "not_enrolled": ("Телефон не подключён", "This phone is not enrolled", "Телефон қосылмаған"),
    "open_link": (
        "Откройте ссылку или QR-код, который дал организатор.",
        "Open the link or QR code the organiser gave you.",
        "Ұйымдастырушы берген сілтемені немесе QR-кодты ашыңыз.",
    ),
    "enrol_camera": (
        "Показать камере QR организатора",
        "Show the organiser's QR to the camera",
        "Ұйымдастырушының QR-ын камераға көрсету",
    ),
    "enrol_link": ("Или вставьте ссылку", "Or paste the link", "Немесе сілтемені қойыңыз"),
    "enrol_open": ("Открыть", "Open", "Ашу"),
    "enrol_no_link": (
        "Это не ссылка организатора: в ней есть «/scan/».",
        "This is not the organiser's link: it has “/scan/” in it.",
        "Бұл ұйымдастырушының сілтемесі емес: онда «/scan/» болады.",
    ),
    "code_unknown": (
        "Такой ссылки нет. Проверьте адрес или попросите у организатора новую.",
        "There is no such link. Check the address or ask the organiser for a new one.",
        "Мұндай сілтеме жоқ. Мекенжайды тексеріңіз немесе жаңасын сұраңыз.",
    ),
    "code_expired": (
        "Срок ссылки истёк. Попросите у организатора новую.",
        "The link has expired. Ask the organiser for a new one.",
        "Сілтеменің мерзімі өтті. Ұйымдастырушыдан жаңасын сұраңыз.",
    ),
    "code_used_up": (
        "По этой ссылке подключено уже достаточно телефонов. Попросите новую.",
        "Enough phones were enrolled with this link. Ask for a new one.",
        "Бұл сілтемемен жеткілікті телефон қосылған. Жаңасын сұраңыз.",
    ),
    "too_many_misses": (
        "Слишком много неверных ссылок. Подождите минуту.",
        "Too many wrong links. Wait a minute.",
        "Қате сілтеме тым көп. Бір минут күтіңіз.",
    ),
    "aim": (
        "Наведите камеру на QR-код билета",
        "Point the camera at the ticket's QR code",
        "Камераны билеттің QR-кодына бағыттаңыз",
    ),
    "gate": ("Вход", "Gate", "Кіреберіс"),
    "camera_starting": ("Включаю камеру…", "Starting the camera…", "Камера қосылуда…"),
    "camera_denied": (
        "Нет доступа к камере. Разрешите её в настройках браузера или вводите код вручную.",
        "No access to the camera. Allow it in the browser's settings or type the code.",
        "Камераға рұқсат жоқ. Браузер баптауларында рұқсат беріңіз немесе кодты қолмен енгізіңіз.",
    ),
    "camera_none": (
        "Камеры нет. Вводите код вручную или ищите по имени.",
        "There is no camera. Type the code or search by name.",
        "Камера жоқ. Кодты қолмен енгізіңіз немесе аты бойынша іздеңіз.",
    ),
    "camera_retry": ("Включить камеру", "Start the camera", "Камераны қосу"),
    "sent_all": ("Отправлено", "All sent", "Жіберілді"),
    "unsent": ("Не отправлено: {n}", "Not sent: {n}", "Жіберілмеді: {n}"),
    "offline": ("Нет связи", "Offline", "Байланыс жоқ"),
    "last_contact": ("Связь была в {when}", "Last contact at {when}", "Соңғы байланыс {when}"),
    "no_contact": ("Связи ещё не было", "No contact yet", "Әлі байланыс болған жоқ"),
    "rehearsal": (
        "РЕПЕТИЦИЯ – настоящих гостей не впускать",
        "REHEARSAL – let no real guests in",
        "РЕПЕТИЦИЯ – нағыз қонақтарды кіргізбеңіз",
    ),
    "exit": ("Выход", "Exit", "Шығу"),
    "left": ("Выход отмечен", "Exit noted", "Шығуы белгіленді"),
    "sound": ("Включить звук", "Turn sound on", "Дыбысты қосу"),
    "torch": ("Фонарик", "Torch", "Қол шам"),
    "camera_next": ("Другая камера", "Other camera", "Басқа камера"),
    "already_since": ("Уже отмечен в {when}", "Already in since {when}", "{when} белгіленген"),
    "not_on_list": (
        "Нет в списке этого телефона от {when}. Поищите по фамилии.",
        "Not on this phone's list of {when}. Look the name up.",
        "Бұл телефонның {when} тізімінде жоқ. Тегі бойынша іздеңіз.",
    ),
    "decided_alone": (
        "Решено по списку от {when}: других дверей не видно",
        "Decided by the list of {when}: other doors are not seen",
        "{when} тізімі бойынша шешілді: басқа есіктер көрінбейді",
    ),
    "note_vip": ("Важный гость", "Important guest", "Маңызды қонақ"),
    "note_promise": ("Обещано", "Promised", "Уәде етілді"),
    "colleagues_expected": (
        "Ждём из этой компании: {n}",
        "Expected of this company: {n}",
        "Осы компаниядан күтеміз: {n}",
    ),
    "colleagues_title": ("Кто ещё пришёл?", "Who else is here?", "Тағы кім келді?"),
    "colleagues_in": ("Впустить отмеченных", "Let the ticked ones in", "Белгіленгендерді кіргізу"),
    "host": ("Кто пригласил", "Invited by", "Кім шақырды"),
    "undo_title": ("Отменить приход?", "Take the arrival back?", "Келуін қайтару керек пе?"),
    "undo_why": ("Почему", "Why", "Неге"),
    "undo_do": ("Отменить приход", "Take it back", "Келуін қайтару"),
    "search_nothing_here": (
        "В списке этого телефона никого. Без связи ищем по первым буквам слова.",
        "Nobody on this phone's list. Offline we look for the beginnings of words.",
        "Бұл телефонның тізімінде ешкім жоқ. Желісіз сөздің басы бойынша іздейміз.",
    ),
    "list_state": (
        "Список гостей: {n}, обновлён в {when}",
        "List of guests: {n}, updated at {when}",
        "Қонақтар тізімі: {n}, {when} жаңартылған",
    ),
    "list_none": ("Списка гостей нет", "There is no list of guests", "Қонақтар тізімі жоқ"),
    "list_blind": (
        (
            "Без связи телефон решает по этому списку. Он не видит других дверей, новых регистраций и отмен; "
            "всё сверим, когда связь появится."
        ),
        (
            "Offline the phone decides by this list. It does not see other doors, new registrations and "
            "cancellations; all is compared when the network is back."
        ),
        (
            "Желісіз телефон осы тізім бойынша шешеді. Басқа есіктерді, жаңа тіркелулер мен бас тартуларды "
            "көрмейді; байланыс болғанда бәрін салыстырамыз."
        ),
    ),
    "list_none_text": (
        "Без связи телефон ничего не проверит: сканы запишет, решать вам.",
        "Offline the phone checks nothing: it keeps the scans, you decide.",
        "Желісіз телефон ештеңе тексермейді: скандарды жазады, шешім сізде.",
    ),
    "clock_ahead": (
        "Часы телефона спешат на {n} мин. Время прихода мы поправим, но часы лучше исправить.",
        "This phone's clock is {n} min ahead. We correct the times, but better set the clock.",
        "Телефон сағаты {n} минутқа алда. Уақытты түзетеміз, бірақ сағатты дұрыстаған жөн.",
    ),
    "clock_behind": (
        "Часы телефона отстают на {n} мин. Время прихода мы поправим, но часы лучше исправить.",
        "This phone's clock is {n} min behind. We correct the times, but better set the clock.",
        "Телефон сағаты {n} минутқа артта. Уақытты түзетеміз, бірақ сағатты дұрыстаған жөн.",
    ),
    "admitted": ("Проходите", "Welcome", "Өтіңіз"),
    "already_admitted": ("Уже проходил", "Already in", "Бұрын өткен"),
    "wrong_event": ("Другое мероприятие", "Another event", "Басқа іс-шара"),
    "wrong_gate": ("Не этот вход", "Not this gate", "Бұл кіреберіс емес"),
    "cancelled": ("Билет отменён", "Cancelled", "Билет жойылған"),
    "unknown": ("Нет такого билета", "No such ticket", "Мұндай билет жоқ"),
    "revoked": ("Телефон отключён", "Phone switched off", "Телефон өшірілген"),
    "conflict": ("Спорный проход", "Disputed entry", "Даулы өту"),
    "invalid": ("Не читается", "Unreadable", "Оқылмайды"),
    "pending": ("Записано, не проверено", "Saved, not checked", "Жазылды, тексерілмеді"),
    "pending_text": (
        "Нет связи: решайте сами. Проверим, когда связь появится.",
        "Offline: you decide. It will be checked when the network is back.",
        "Байланыс жоқ: өзіңіз шешіңіз. Байланыс болғанда тексереміз.",
    ),
    "checking": ("Проверяю…", "Checking…", "Тексерудемін…"),
    "late_refusal": (
        "Проверено позже: {word} – {name}",
        "Checked later: {word} – {name}",
        "Кейін тексерілді: {word} – {name}",
    ),
    "somebody": ("билет без имени", "a ticket without a name", "атсыз билет"),
    "type_code": ("Код", "Code", "Код"),
    "type_code_title": ("Код билета", "Ticket code", "Билет коды"),
    "type_code_hint": (
        "Код под QR или вся ссылка билета. Сканер по USB тоже пишет сюда.",
        "The code below the QR or the whole link. A USB scanner types here too.",
        "QR астындағы код немесе билеттің толық сілтемесі. USB сканері де осында жазады.",
    ),
    "check": ("Проверить", "Check", "Тексеру"),
    "search": ("Поиск", "Search", "Іздеу"),
    "search_title": ("Найти гостя", "Find a guest", "Қонақты табу"),
    "search_hint": (
        "Имя, компания или 4 цифры телефона",
        "Name, company or 4 last digits of the phone",
        "Аты, компания немесе телефонның 4 саны",
    ),
    "search_nothing": ("Никого не нашли", "Nobody found", "Ешкім табылмады"),
    "search_offline": (
        "Поиск работает, когда есть связь",
        "Search needs the network",
        "Іздеу үшін байланыс керек",
    ),
    "arrived_at": ("пришёл в {when}", "came at {when}", "{when} келді"),
    "walk_in": ("Без билета", "Walk-in", "Билетсіз"),
    "walk_in_title": ("Гость без билета", "Guest without a ticket", "Билетсіз қонақ"),
    "last_name": ("Фамилия", "Last name", "Тегі"),
    "first_name": ("Имя", "First name", "Аты"),
    "company": ("Компания", "Company", "Компания"),
    "phone": ("Телефон", "Phone", "Телефон"),
    "email": ("E-mail", "E-mail", "E-mail"),
    "optional": ("необязательно", "optional", "міндетті емес"),
    "add": ("Записать и впустить", "Add and let in", "Жазып, кіргізу"),
    "undo": ("Отменить", "Undo", "Қайтару"),
    "undo_nothing": ("Отменять нечего", "Nothing to undo", "Қайтаратын ештеңе жоқ"),
    "undone": ("Отменено", "Undone", "Қайтарылды"),
    "undo_sent": ("Отмена отправлена", "Undo sent", "Қайтару жіберілді"),
    "undo_reason": ("отмена на телефоне", "undone on the phone", "телефонда қайтарылды"),
    "close": ("Закрыть", "Close", "Жабу"),
    "note": ("Заметка", "Note", "Жазба"),
    "note_save": ("Сохранить", "Save", "Сақтау"),
    "flags": ("Отметки", "Flags", "Белгілер"),
    "which_line": ("Какое направление?", "Which product line?", "Қай бағыт?"),
    "without_line": ("Без направления", "No line", "Бағытсыз"),
    "saved": ("Записано", "Saved", "Жазылды"),
    "queue_text": (
        "Записи лежат в этом телефоне и уйдут сами, когда появится связь.",
        "These entries are kept on this phone and leave by themselves when the network is back.",
        "Жазбалар осы телефонда сақтаулы, байланыс болғанда өздері жіберіледі.",
    ),
    "queue_send": ("Отправить сейчас", "Send now", "Қазір жіберу"),
    "stuck": ("сервер не принял: {why}", "not accepted: {why}", "сервер қабылдамады: {why}"),
    "device_stopped": (
        "Организатор отключил этот телефон или срок его доступа вышел. Неотправленное остаётся здесь.",
        "The organiser switched this phone off or its access expired. What was not sent stays here.",
        "Ұйымдастырушы телефонды өшірді немесе мерзімі өтті. Жіберілмегендер осында қалады.",
    ),
    "storage_failed": (
        "Память телефона не приняла запись. Не закрывайте страницу, пока всё не отправлено.",
        "This phone could not store the entry. Do not close the page before everything is sent.",
        "Телефон жады жазбаны қабылдамады. Бәрі жіберілмейінше бетті жаппаңыз.",
    ),
    "kind_scans": ("Скан", "Scan", "Скан"),
    "kind_flags": ("Отметка", "Flag", "Белгі"),
    "kind_annulments": ("Отмена", "Undo", "Қайтару"),
    "kind_walk_ins": ("Гость без билета", "Walk-in", "Билетсіз қонақ"),
    "failed": ("Не получилось: {why}", "That failed: {why}", "Болмады: {why}"),
    "no_network": (
        "Нет связи. Попробуйте ещё раз.",
        "No network. Try again.",
        "Байланыс жоқ. Қайталап көріңіз.",
    ),
    "live": ("Обзор", "Overview", "Шолу"),
    "live_title": ("Что на входах", "At the gates now", "Кіреберістерде не болып жатыр"),
    "live_at": ("Данные на {when}", "As of {when}", "{when} бойынша деректер"),
    "live_total": ("Пришли: {n} из {of}", "Here: {n} of {of}", "Келгендер: {of} ішінен {n}"),
    "live_arrived": ("{n} из {of}", "{n} of {of}", "{of} ішінен {n}"),
    "live_lanes": (
        "Телефонов на входе: {n}, нужно {needed}",
        "Phones at the entrance: {n}, needed {needed}",
        "Кіреберістегі телефондар: {n}, керегі {needed}",
    ),
    "live_queued": (
        "Ещё не отправлено телефонами: {n}",
        "Not yet sent by phones: {n}",
        "Телефондар әлі жібермеген: {n}",
    ),
    "live_minutes": (
        "Приходы по минутам за час; линия – план",
        "Arrivals by minute, last hour; the line is the plan",
        "Соңғы сағаттағы келулер минут бойынша; сызық – жоспар",
    ),
    "live_pace": ("за 5 минут: {n}", "in 5 minutes: {n}", "5 минутта: {n}"),
    "live_phones": ("телефонов на связи: {n}", "phones in touch: {n}", "байланыстағы телефон: {n}"),
    "live_silent": ("Молчащие телефоны", "Silent phones", "Үнсіз телефондар"),
    "live_seen": ("связь была в {when}", "last contact at {when}", "соңғы байланыс {when}"),
    "live_cases": ("Спорные проходы", "Disputed passages", "Даулы өтулер"),
    "live_cases_where": (
        "Решают в портале, на вкладке мероприятия.",
        "They are decided in the portal, on the event's tab.",
        "Порталда, іс-шара қойындысында шешіледі.",
    ),
    "live_more": ("И ещё: {n}", "And more: {n}", "Тағы: {n}"),
    "live_important": ("Важные гости на месте", "Important guests are here", "Маңызды қонақтар келді"),
    "case_cancelled": (
        "билет был отменён, телефон не знал",
        "the ticket was cancelled, the phone did not know",
        "билет жойылған, телефон білмеген",
    ),
    "case_wrong_gate": (
        "не тот вход для этого телефона",
        "not a gate of this phone",
        "бұл телефонның кіреберісі емес",
    ),
    "case_one_phone": (
        "один телефон записал дважды",
        "one phone noted it twice",
        "бір телефон екі рет жазған",
    ),
    "case_together": (
        "два телефона почти одновременно",
        "two phones at almost the same time",
        "екі телефон бір мезгілде дерлік",
    ),
    "case_apart": (
        "проходы далеко друг от друга",
        "the passages are far apart",
        "өтулер арасы алыс",
    ),
    "skip": ("К отметкам", "To the flags", "Белгілерге"),
}


def words(language: str) -> dict[str, str]:
    """All texts in one language; Russian for one we do not speak."""
    at = LANGUAGES.index(language) if language in LANGUAGES else 0
    return {key: texts[at] for key, texts in _WORDS.items()}
