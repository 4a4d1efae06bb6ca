"""The words around a number, in Ukrainian, Russian and English: currencies, multipliers, units of time, ranges."""

from __future__ import annotations

from decimal import Decimal

MONTHS_PER_YEAR = 12
LOOK_ALIKES = str.maketrans("acehikmoptxy", "асенікмортху")  # Latin letters that people type in Cyrillic words


def _table[Meaning](meanings: dict[str, Meaning]) -> dict[str, Meaning]:
    return {word: meaning for words, meaning in meanings.items() for word in words.split()}


HRYVNIA_WORDS = frozenset(
    _table({"₴ грн гр грв гривень гривні гривня гривен гривны гривна гривнях гривню uah hrn hryvnia hryvnias": True})
)
OTHER_CURRENCY_WORDS = frozenset(
    _table(
        {
            "$ € £ ₽ usd eur gbp pln rub rur chf czk zł zl dollar dollars euro euros pound pounds": True,
            "долар долара доларів долари доллар доллара долларов дол долл євро евро злотих злотий злотых": True,
            "руб рубль рубля рублів рублей": True,
        }
    )
)
MULTIPLIERS = _table(
    {
        "тис тисяч тисячі тисяча тисячу т тыс тысяч тысячи тысяча тысячу k к ths thousand": Decimal(1000),
        "млн мільйон мільйони мільйона мільйонів миллион миллиона миллионов mln mio million": Decimal(10**6),
        "коп копійок копійки копійка копеек копейки копейка": Decimal("0.01"),
    }
)
MONTHS = _table(
    {
        "міс місяць місяці місяців місяця місяцях м мес месяц месяца месяцев": Decimal(1),
        "mo mon month months mth mths m": Decimal(1),
        "рік року роки років р год года лет годов г year years yr yrs y": Decimal(MONTHS_PER_YEAR),
    }
)
HALF_A_YEAR_WORDS = frozenset(_table({"півроку піврік полгода": True}))
OTHER_UNITS = frozenset(
    _table(
        {
            "день дні днів дня дн дней day days d годин години годину hour hours": True,
            "тиждень тижні тижнів тиж неделя недели недель нед week weeks wk": True,
            "квартал квартали кварталів quarter quarters": True,
        }
    )
)
TERM_FILLERS = frozenset(_table({"на і и and for": True}))
RANGE_WORDS = frozenset(_table({"від до от from to або или or чи між между between понад более більше менше up": True}))
