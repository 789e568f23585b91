"""Words of many scripts find their passage through the real lexical index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval.lexical import TantivyIndex
from retrieval.types import AccessFilter, IndexEntry

PASSAGES = {
    "zh": "公司总部位于上海，成立于1998年。员工每年享有二十天年假。",
    "ja": "本社は大阪にあります。有給休暇は年間二十日です。",
    "ko": "본사는 부산에 있습니다. 직원들은 매년 휴가를 이십 일 받습니다.",
    "th": "สำนักงานใหญ่อยู่ที่เชียงใหม่ พนักงานลาพักร้อนได้ยี่สิบวันต่อปี",
    "ar": "يقع المقر الرئيسي في القاهرة. يحصل الموظفون على عشرين يوماً من الإجازة.",
    "ru": "Главный офис находится в Казани. Сотрудникам положен отпуск двадцать дней.",
    "hi": "मुख्य कार्यालय पुणे में है। कर्मचारियों को बीस दिन की छुट्टी मिलती है।",
    "he": "המשרד הראשי נמצא בחיפה. העובדים מקבלים עשרים ימי חופשה.",
    "el": "Τα κεντρικά γραφεία βρίσκονται στην Πάτρα. Η άδεια είναι είκοσι ημέρες.",
    "ta": "தலைமை அலுவலகம் மதுரையில் உள்ளது. ஊழியர்களுக்கு இருபது நாள் விடுப்பு.",
    "my": "ရုံးချုပ်သည် မန္တလေးတွင်ရှိသည်။",
    "en": "The head office is in Leeds. Staff have twenty days of leave.",
}
QUESTIONS = {
    "zh": "年假有多少天？",
    "ja": "有給休暇は何日ですか",
    "ko": "휴가는 며칠입니까?",
    "th": "ลาพักร้อนได้กี่วัน",
    "ar": "كم عدد أيام اجازة الموظف؟",
    "ru": "сколько дней отпуска у сотрудника?",
    "hi": "कितने दिन की छुट्टी मिलती है?",
    "he": "כמה ימי חופשה?",
    "el": "πόσες ημέρες άδειας;",
    "ta": "எத்தனை நாள் விடுப்பு?",
    "my": "ရုံးချုပ်ဘယ်မှာလဲ",
    "en": "how many days of leave?",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TantivyIndex]:
    folder: Path = tmp_path_factory.mktemp("scripts")
    built = TantivyIndex(folder)
    built.add(
        [
            IndexEntry(number, number, 1, text, np.zeros(4, np.float32))
            for number, text in enumerate(PASSAGES.values(), 1)
        ]
    )
    yield built
    built.close()


@pytest.mark.parametrize("language", PASSAGES)
def test_a_question_in_its_own_script_finds_its_passage(index: TantivyIndex, language: str) -> None:
    wanted = list(PASSAGES).index(language) + 1
    hits = index.search(QUESTIONS[language], 3, AccessFilter(frozenset({1})))
    assert [hit.chunk_id for hit in hits][:1] == [wanted]
