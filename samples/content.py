"""The words of the sample collection, apart from the code that lays them out.

Lumenfjord Instruments, its people, places and products are invented. Wherever a fact is stated twice the two
agree, so that a question about it has one answer.
"""

from __future__ import annotations

from typing import NamedTuple


class Section(NamedTuple):
    """A heading and its paragraphs; in a PDF each section starts a new page."""

    heading: str
    paragraphs: tuple[str, ...]


def prose(text: str) -> tuple[str, ...]:
    """Paragraphs separated by blank lines, line breaks inside them removed."""
    return tuple(" ".join(block.split()) for block in text.strip().split("\n\n"))


HANDBOOK = (
    Section(
        "1. Welcome to Lumenfjord",
        prose(
            """
            Lumenfjord Instruments builds probes that measure the quality of lakes, rivers and drinking
            water. The company was founded in 1998 by Ottilie Brandvik and Casper Halloran in a disused net
            loft in Vestermark Haven. The loft is still ours: it houses the small museum beside the canteen.

            Today 214 people work at three sites. The head office and the workshop are in Vestermark Haven,
            the calibration laboratory is in Orrelby, and customer support sits in Sankt Ansel. Ottilie
            Brandvik remains chair of the board. Since March 2019 the managing director has been Ingrid
            Solheim-Okafor.

            We sell to water utilities, fish farms and universities in nineteen countries. Most of our
            customers stay with us for longer than ten years, because a probe that has hung in a cold lake
            for a decade and still reads true is the best advertisement that we know.

            This handbook describes how we work together. It applies from 1 January 2026 and replaces the
            edition of 2022. Where it differs from your contract, your contract wins. Questions about it go
            to Maren Tvedt, head of people, whose door is the green one on the second floor.
            """
        ),
    ),
    Section(
        "2. Working hours and leave",
        prose(
            """
            A full working week is 37 hours. You arrange your own day, but between 10:00 and 14:30 everyone
            should be reachable, because that is when teams meet and customers call. Overtime needs the
            agreement of your team lead in advance and is taken back as time off within three months; it is
            not paid out.

            You have 28 days of annual leave, and one further day for every five complete years of service,
            up to a total of 32. Up to six unused days may be carried into the next year, and they lapse on
            31 May. Ask for leave of more than two weeks at least eight weeks before it begins.

            If you are ill, tell your team lead before 09:30 on the first day. A doctor's note is needed
            from the fourth day of illness. Sick pay is your full salary for the first sixteen weeks.

            A parent of a newborn or adopted child has 26 weeks of parental leave at full pay. The weeks may
            be split into as many as three periods and must be used before the child's third birthday. Two
            paid days a year are available for volunteering with a lake or river association of your choice.
            """
        ),
    ),
    Section(
        "3. Working from home and equipment",
        prose(
            """
            Anyone whose work does not need the workshop or the laboratory may work from home for up to
            three days a week. Wednesday is the common office day in Vestermark Haven, and teams should keep
            it free of travel. Working from another country is possible for at most twenty days in a
            calendar year, after Maren Tvedt has confirmed that tax and insurance allow it.

            Every employee receives a laptop, a headset and, on request, a second screen. Laptops are
            replaced after four years. For a home desk and chair the company contributes a single payment of
            450 euros; keep the receipt, since the payroll team in Sankt Ansel will ask for it.

            Report a lost or stolen device to the service desk on extension 4417 within two hours, also at
            night. The service desk can then erase it before anyone reads it. Company data is stored on the
            file server called Kelp, never only on a laptop. Private cloud storage must not be used for
            customer measurements.
            """
        ),
    ),
    Section(
        "4. Safety in the workshop and on the water",
        prose(
            """
            Safety shoes and glasses are worn in the workshop at all times, by visitors too. The potting
            ovens run at 85 degrees Celsius; only people who have passed the oven course, which Ivo
            Marchetti teaches on the first Monday of each month, may open them.

            Nobody works on the water alone. Field crews consist of at least two people, both wearing life
            jackets of the 150 newton class, and one of them holds the coastal skipper's certificate. Trips
            are cancelled when the forecast wind exceeds 12 metres per second. Before leaving, the crew
            files its route on the blue board next to the boat shed and agrees a time to call in. If a crew
            is 45 minutes overdue, whoever is on watch alerts the harbour rescue.

            Calibration fluids are stored in the yellow cabinet in Orrelby. The pH 4 and pH 10 buffers are
            irritants: rinse splashes with water for fifteen minutes and tell the first-aider. The
            first-aider of the workshop is Signe Aldersund, that of the laboratory Pio Kestrel. Every
            accident, and every near miss, is recorded within 24 hours.
            """
        ),
    ),
    Section(
        "5. Pay, pension and training",
        prose(
            """
            Salaries are paid on the 26th of each month, or on the working day before it. They are reviewed
            once a year, in April, and changes take effect on 1 May. The company doubles your pension
            contribution up to 6 percent of your salary, so if you set aside 6 percent, we add 12.

            In a year in which operating profit exceeds eight percent of revenue, every employee receives
            the same bonus, whatever their position. The bonus is announced at the midsummer gathering.

            Everyone has a training budget of 1,200 euros and five days a year. Budget that is not used can
            be saved for one further year. Language courses in Orrelish or English are paid in full and do
            not count against the budget. People who complete the master calibrator's examination receive a
            one-time payment of 2,500 euros.

            Bicycles can be leased through the company. The lease runs for 36 months and is deducted from
            gross pay.
            """
        ),
    ),
    Section(
        "6. Speaking up and moving on",
        prose(
            """
            If something is wrong, say so. Most matters are best settled with the person concerned or with
            your team lead. If that is not possible, the confidential advisers Yusuf Lindqvist and Petra
            Hallewell will listen, and nothing that you tell them goes further without your consent.
            Suspected fraud can be reported anonymously by letter to post box 19 in Orrelby, which only the
            external auditor opens.

            The works council has seven members and is elected every three years. It meets on the second
            Thursday of the month. The current chair is Benedikt Oyelaran.

            During the probation period of four months either side may end the contract with two weeks'
            notice. Afterwards your notice period is one month, and ours is three. Unused leave is paid with
            the last salary. Return your laptop, keys and badge to the front desk on your last day. Former
            colleagues are invited to the lantern supper, which is held each year on the last Friday of
            November.
            """
        ),
    ),
)

REPORT = (
    Section(
        "Letter from the managing director",
        prose(
            """
            Dear shareholders, 2025 was the year in which the Pellucid 4 left the laboratory and went to
            work. We delivered the first unit to the Tarn Abbey water utility on 17 February, and by the end
            of December 1,860 of them were measuring in eleven countries. The probe's optical chlorophyll
            channel, developed over four years by Dr. Anselm Greyling's team, is the reason that most
            customers give for their order.

            The year was not without trouble. A fire at our supplier of titanium housings, Corvane Metals,
            stopped the assembly line for nineteen days in June. We paid overtime of 310,000 euros to catch
            up, and every order was delivered before the lakes froze. I thank everyone who gave up part of a
            summer for this.

            The board proposes a dividend of 1.40 euros a share, after 1.15 euros in the year before.

            Ingrid Solheim-Okafor, Vestermark Haven, 12 March 2026
            """
        ),
    ),
    Section(
        "Results",
        prose(
            """
            Revenue grew by 14 percent to 48.2 million euros. Operating profit was 4.9 million euros, which
            is 10.2 percent of revenue and the highest margin since the company was founded. Probes
            contributed the largest part of the growth; subscriptions to the Marshwell portal grew fastest
            in relative terms.

            The table shows revenue by product line. Figures are in millions of euros, and years end on 31
            December.
            """
        ),
    ),
    Section(
        "People, sites and the environment",
        prose(
            """
            At the end of the year 214 people worked for Lumenfjord, 23 more than twelve months earlier.
            Women held 41 percent of the leading positions. The average length of service was nine years and
            two months. Sickness absence fell to 3.1 percent of working time.

            The calibration laboratory in Orrelby was extended by 640 square metres. The new hall cost 3.7
            million euros and was opened on 5 September by the mayor, Lucasta Wren. It holds the deepest
            indoor test shaft in the region: 22 metres of water in which eight probes can be tested at the
            same time.

            Electricity for all three sites has come from the tidal plant at Skerrow Point since October.
            Emissions from our own operations fell by 38 percent to 412 tonnes of carbon dioxide. Air travel
            remains the largest remaining source and is the subject of the programme for 2026.
            """
        ),
    ),
    Section(
        "Outlook and risks",
        prose(
            """
            For 2026 we expect revenue between 52 and 54 million euros and an operating margin of about ten
            percent. We plan to spend 6.1 million euros on research and development, most of it on the
            Reedlight 2 gateway, which will send measurements by satellite where there is no mobile network.
            Field trials begin in May on Lake Ysolde.

            The largest risk is our dependence on a single supplier of titanium housings. A second supplier,
            Brannock Forge, passed its qualification in November and will deliver 30 percent of the housings
            from April 2026. A second risk is the price of the optical filters, which rose by a fifth during
            the year. We have fixed prices with the manufacturer until June 2027.

            The annual general meeting takes place on 21 May 2026 at 15:00 in the old net loft in Vestermark
            Haven.
            """
        ),
    ),
)

REVENUE_HEADER = ("Product line", "2023", "2024", "2025")
REVENUE_ROWS = (
    ("Probes", "21.4", "24.0", "27.9"),
    ("Gateways", "6.2", "6.9", "7.3"),
    ("Marshwell subscriptions", "3.1", "4.4", "5.8"),
    ("Calibration and service", "6.6", "7.0", "7.2"),
    ("Total", "37.3", "42.3", "48.2"),
)

TRAVEL_POLICY = (
    Section(
        "Purpose",
        prose(
            """
            This policy explains what Lumenfjord Instruments pays for when you travel for work, and how you
            get your money back. It applies to all employees and to visitors whom we invite. It was approved
            by Runa Eskildsen, head of finance, and is valid from 1 February 2026.
            """
        ),
    ),
    Section(
        "Before you travel",
        prose(
            """
            Trips that cost more than 1,500 euros need the written approval of your team lead. Book trains
            and flights through the travel desk, travel@lumenfjord.example, at least fourteen days ahead
            where you can. Journeys of less than six hours are made by train. Flights are in economy class;
            premium economy may be booked when the flight itself lasts longer than nine hours.
            """
        ),
    ),
    Section(
        "Hotels and meals",
        prose(
            """
            A hotel room may cost up to 140 euros a night, or 190 euros in capital cities. Breakfast is
            included in these amounts. The daily allowance for meals is 48 euros at home and 62 euros
            abroad. If a host pays for lunch or dinner, subtract 18 euros for each such meal. Alcohol is not
            reimbursed.
            """
        ),
    ),
    Section(
        "Cars and boats",
        prose(
            """
            For a private car we pay 0.38 euros a kilometre, and 0.05 euros more for each colleague who
            rides along. Hire cars are booked in the compact class unless probes or other equipment have to
            be carried. Boat hire for field work is booked by the field crew's lead and charged to the
            project.
            """
        ),
    ),
    Section(
        "Claiming expenses",
        prose(
            """
            Send your claim with all receipts within 30 days after the end of the trip. Claims are entered
            in the expense tool Pennywort and are paid with the next salary if they arrive before the 15th
            of the month. A lost receipt can be replaced by a signed statement for amounts of up to 25
            euros. Claims that are more than 90 days old are refused.
            """
        ),
    ),
)
