"""Pairs of passages about invented people and places: some disagree on the answer, most only look as if.

Each is (question, answer, passage that supports it, other passage, whether the other one disagrees). They
were written before the rules were tried on them; every second pair of each kind tunes, the others measure.
"""

from __future__ import annotations

Pair = tuple[str, str, str, str, bool]

CONFLICTS: tuple[tuple[str, str, str, str], ...] = (
    (
        "How many days of leave do employees have?", "28 days",
        "Full-time employees have 28 days of annual leave. Unused days lapse in March.",
        "Contracts of employees are for 38 hours. Employees have 30 days of annual leave.",
    ),
    (
        "How much is a return ticket for the Wend ferry?", "4.50 crowns",
        "The Wend ferry runs every twenty minutes. A return ticket costs 4.50 crowns.",
        "Fares of the Wend ferry: a return ticket costs 5.20 crowns, dogs travel free.",
    ),
    (
        "When was Harlow Bridge opened?", "In May 1931",
        "Harlow Bridge was opened in May 1931 after four years of work.",
        "Harlow Bridge was opened in June 1932 and carries two lanes.",
    ),
    (
        "Who led the survey of the northern reef?", "Ines Valko",
        "The survey of the northern reef was led by Ines Valko.",
        "The survey of the northern reef was led by Tomas Reer.",
    ),
    (
        "When does the library close on Fridays?", "At 18:00",
        "The library closes at 18:00 on Fridays. It is closed on Sundays.",
        "Opening hours have been extended. The library closes at 20:00 on Fridays.",
    ),
    (
        "Is the harbour café open in winter?", "The harbour café is open in winter.",
        "The harbour café is open in winter from ten to four.",
        "The harbour café is not open in winter.",
    ),
    (
        "How many people live in Orrel?", "Orrel has 12,400 inhabitants.",
        "Orrel has 12,400 inhabitants and a market hall.",
        "The town of Orrel has 15,100 inhabitants.",
    ),
    (
        "By when must expense reports be handed in?", "By the 10th of the month",
        "Expense reports must be handed in by the 10th of the month.",
        "Expense reports must be handed in by the 25th of the month, receipts included.",
    ),
    (
        "Who founded the Lindholm pottery?", "Marta Lindholm",
        "The Lindholm pottery was founded by Marta Lindholm in a shed by the canal.",
        "The Lindholm pottery was founded by Edvin Karr in a shed by the canal.",
    ),
    (
        "At which temperature must the vaccine be stored?", "At 4 degrees",
        "The vaccine must be stored at 4 degrees. Broken vials are thrown away.",
        "The vaccine must be stored at 8 degrees and never frozen.",
    ),
    (
        "How long is the warranty of the pump?", "24 months",
        "The warranty of the pump is 24 months from delivery.",
        "The warranty of the pump is 12 months from delivery.",
    ),
    (
        "May visitors take photographs in the archive?", "Visitors may take photographs in the archive.",
        "Visitors may take photographs in the archive without flash.",
        "Visitors may not take photographs in the archive.",
    ),
    (
        "What is the notice period during probation?", "Two weeks",
        "During probation the notice period is two weeks.",
        "During probation the notice period is four weeks.",
    ),
    (
        "When did Captain Brae die?", "He died on 3 April 1888.",
        "Captain Brae retired to Skarn, where he died on 3 April 1888.",
        "Captain Brae never retired. He died on 9 October 1891.",
    ),
    (
        "How high is the Grey Tower?", "61 metres",
        "The Grey Tower is 61 metres high and was built of brick.",
        "The Grey Tower, built of brick, is 74 metres high.",
    ),
    (
        "Where is the head office of Norrel Mills?", "In Veldhaven",
        "The head office of Norrel Mills is in Veldhaven.",
        "The head office of Norrel Mills is in Oststrand.",
    ),
    (
        "What share of the budget goes to repairs?", "18%",
        "Of the budget 18% goes to repairs and the rest to wages.",
        "Of the budget 27% goes to repairs.",
    ),
    (
        "How many seats does the Ostra theatre have?", "The Ostra theatre has 340 seats.",
        "The Ostra theatre has 340 seats on two levels.",
        "Rebuilt after the fire, the Ostra theatre has 410 seats.",
    ),
    (
        "Does the insurance cover water damage?", "The insurance covers water damage.",
        "The insurance covers water damage and theft.",
        "The insurance does not cover water damage.",
    ),
    (
        "When does the night shift start?", "At 22:00",
        "The night shift starts at 22:00 and ends at six.",
        "The night shift starts at 23:30.",
    ),
    (
        "How many litres of cooling water does the plant need a minute?", "40 litres",
        "The plant needs 40 litres of cooling water a minute.",
        "The plant needs 55 litres of cooling water a minute at full load.",
    ),
    (
        "In which year was the Skarn lighthouse built?", "1874",
        "The Skarn lighthouse was built in 1874.",
        "The Skarn lighthouse was built in 1869 by prisoners.",
    ),
    (
        "Who is the treasurer of the rowing club?", "Petra Oswin",
        "The treasurer of the rowing club is Petra Oswin.",
        "The treasurer of the rowing club is Jonas Hale.",
    ),
    (
        "What is the deposit for a kayak?", "The deposit for a kayak is 50 crowns.",
        "The deposit for a kayak is 50 crowns, paid in cash.",
        "A kayak costs 9 crowns an hour. The deposit for a kayak is 80 crowns.",
    ),
)  # fmt: skip

AGREEMENTS: tuple[tuple[str, str, str, str], ...] = (
    (  # the same in other words
        "How many days of leave do employees have?", "28 days",
        "Full-time employees have 28 days of annual leave.",
        "Annual leave of employees amounts to twenty-eight days, that is 28 working days.",
    ),
    (  # another boat
        "How much is a return ticket for the Wend ferry?", "4.50 crowns",
        "A return ticket for the Wend ferry costs 4.50 crowns.",
        "A return ticket for the Orrel ferry costs 6.00 crowns.",
    ),
    (  # another year
        "How many visitors did the museum have in 2019?", "The museum had 8,200 visitors in 2019.",
        "The museum had 8,200 visitors in 2019.",
        "The museum had 9,900 visitors in 2021.",
    ),
    (  # another thing of the same subject
        "When was Harlow Bridge opened?", "In May 1931",
        "Harlow Bridge was opened in May 1931.",
        "Harlow Bridge was repaired in June 1954.",
    ),
    (  # another group
        "How many days of leave do employees have?", "28 days",
        "Employees have 28 days of annual leave.",
        "Apprentices have 32 days of annual leave.",
    ),
    (  # two of several
        "Who is on the board of the rowing club?", "Petra Oswin",
        "Petra Oswin is a member of the board of the rowing club.",
        "Jonas Hale is a member of the board of the rowing club.",
    ),
    (  # a price of something else
        "What is the deposit for a kayak?", "50 crowns",
        "The deposit for a kayak is 50 crowns.",
        "The hire of a kayak is 9 crowns an hour, 60 crowns a day.",
    ),
    (  # rounded
        "How many people live in Orrel?", "Orrel has 12,400 inhabitants.",
        "Orrel has 12,400 inhabitants.",
        "The town of Orrel has about 12,000 inhabitants.",
    ),
    (  # less exact
        "When did Captain Brae die?", "On 3 April 1888",
        "Captain Brae died on 3 April 1888.",
        "Captain Brae died in April 1888 in Skarn.",
    ),
    (  # another day
        "When does the library close on Fridays?", "At 18:00",
        "The library closes at 18:00 on Fridays.",
        "The library closes at 14:00 on Saturdays.",
    ),
    (  # with a condition
        "What is the notice period?", "The notice period is two weeks during probation.",
        "The notice period is two weeks during probation.",
        "After ten years of service the notice period is four months.",
    ),
    (  # more about it
        "Who led the survey of the northern reef?", "Ines Valko",
        "The survey of the northern reef was led by Ines Valko.",
        "The survey of the northern reef found 214 kinds of snail and was paid for by Skarn.",
    ),
    (  # successor, with a time
        "Who led the survey of the northern reef until 2016?", "Ines Valko",
        "Until 2016 the survey of the northern reef was led by Ines Valko.",
        "From 2017 on the survey of the northern reef was led by Tomas Reer.",
    ),
    (  # another place
        "How high is the Grey Tower?", "61 metres",
        "The Grey Tower is 61 metres high.",
        "The White Tower is 74 metres high.",
    ),
    (  # another unit
        "How long is the ferry crossing?", "The ferry crossing is 3 kilometres long.",
        "The ferry crossing is 3 kilometres long.",
        "The ferry crossing takes 25 minutes.",
    ),
    (  # agrees, another number beside it
        "How many seats does the Ostra theatre have?", "340 seats",
        "The Ostra theatre has 340 seats on two levels.",
        "The Ostra theatre has 340 seats, 12 of them for wheelchairs.",
    ),
    (  # denied about something else
        "Is the harbour café open in winter?", "The harbour café is open in winter.",
        "The harbour café is open in winter.",
        "The harbour kiosk is not open in winter.",
    ),
    (  # an exception
        "May visitors take photographs in the archive?", "Visitors may take photographs in the archive.",
        "Visitors may take photographs in the archive.",
        "Visitors may not use flash or tripods in the archive.",
    ),
    (  # another model
        "How long is the warranty of the pump P2?", "24 months",
        "The warranty of the pump P2 is 24 months.",
        "The warranty of the pump P7 is 12 months.",
    ),
    (  # part and whole
        "What share of the budget goes to repairs?", "18%",
        "Of the budget 18% goes to repairs.",
        "Of the budget 60% goes to wages.",
    ),
    (  # spelt out
        "What is the notice period during probation?", "Two weeks",
        "During probation the notice period is two weeks.",
        "During probation the notice period is 2 weeks.",
    ),
    (  # no answer at all
        "Who founded the Lindholm pottery?", "Marta Lindholm",
        "The Lindholm pottery was founded by Marta Lindholm.",
        "The Lindholm pottery burned down twice, in 1903 and in 1911.",
    ),
    (  # two branches
        "Where is the head office of Norrel Mills?", "In Veldhaven",
        "The head office of Norrel Mills is in Veldhaven.",
        "A branch office of Norrel Mills is in Oststrand.",
    ),
    (  # planned and done
        "When was the Skarn lighthouse built?", "It was built in 1874.",
        "The Skarn lighthouse was built in 1874.",
        "The Skarn lighthouse was planned in 1869.",
    ),
    (  # a list that goes on
        "What does the insurance cover?", "The insurance covers water damage.",
        "The insurance covers water damage.",
        "The insurance covers theft and fire. It does not cover bicycles.",
    ),
    (  # weekday and weekend
        "How often does the bus run on weekdays?", "Every 10 minutes",
        "On weekdays the bus runs every 10 minutes.",
        "On Sundays the bus runs every 30 minutes.",
    ),
    (  # limits
        "How many books may members borrow?", "Members may borrow six books.",
        "Members may borrow six books for three weeks.",
        "Members may borrow up to six books; guests may borrow two.",
    ),
    (  # the same name in another role
        "Who is the treasurer of the rowing club?", "Petra Oswin",
        "The treasurer of the rowing club is Petra Oswin.",
        "The secretary of the rowing club is Jonas Hale.",
    ),
    (  # born and died
        "When was Captain Brae born?", "1821",
        "Captain Brae was born in 1821.",
        "Captain Brae died in 1888.",
    ),
    (  # monthly and yearly
        "How much is the fee?", "The fee is 12 crowns a month.",
        "The fee is 12 crowns a month.",
        "The fee is 130 crowns a year.",
    ),
    (  # the same date in another form
        "By when must reports be handed in?", "By 31 May 2024",
        "Reports must be handed in by 31 May 2024.",
        "Reports must be handed in by 2024-05-31.",
    ),
    (  # before and after
        "How many employees does Norrel Mills have today?", "Today Norrel Mills has 410 employees.",
        "Today Norrel Mills has 410 employees.",
        "Before the war Norrel Mills had 900 employees.",
    ),
)  # fmt: skip


def pairs(measured: bool) -> list[Pair]:
    """The pairs that tune, or those that measure."""
    start = int(measured)
    return [
        *((*pair, True) for pair in CONFLICTS[start::2]),
        *((*pair, False) for pair in AGREEMENTS[start::2]),
    ]
