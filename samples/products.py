"""The product side of the sample collection: questions about a probe, release notes, prices and stock."""

from __future__ import annotations

FAQ_TITLE = "Pellucid 4: frequently asked questions"
FAQ = (
    (
        "How deep can I deploy the Pellucid 4?",
        "The Pellucid 4 is rated for 120 metres of fresh or salt water. The deep version, sold as the "
        "Pellucid 4D, has a thicker housing and is rated for 600 metres.",
    ),
    (
        "How long does the battery last?",
        "With one measurement every fifteen minutes the built-in battery lasts fourteen months at 10 "
        "degrees Celsius. One measurement a minute shortens this to about nine weeks. The battery can "
        "be exchanged by the customer; the seal kit SK-7 must be used.",
    ),
    (
        "What does it measure?",
        "Temperature, conductivity, pH, dissolved oxygen, turbidity and, through its optical channel, "
        "chlorophyll. Nitrate is not measured by the Pellucid 4.",
    ),
    (
        "How often must it be calibrated?",
        "We recommend a calibration every eighteen months. In water with heavy growth of algae, once a "
        "year is better. Calibration in Orrelby takes five working days and costs 280 euros for each "
        "probe.",
    ),
    (
        "Why does my probe blink amber?",
        "A slow amber light means that the memory is more than 90 percent full. Three short amber "
        "flashes mean that the wiper is blocked: switch the probe off, remove whatever holds the wiper, "
        "and run the self-test.",
    ),
    (
        "How long is the guarantee?",
        "The guarantee covers three years from the day of delivery. It is extended to five years when "
        "the probe is registered in the Marshwell portal within 60 days.",
    ),
    (
        "Can the probe be used without a Reedlight gateway?",
        "Yes. Without a gateway the probe stores up to 400,000 measurements, which are read out over "
        "the magnetic cable MC-2 once the probe is back on land.",
    ),
)

RELEASE_NOTES = """\
# Marshwell portal: release notes

Marshwell is the web portal in which customers see the measurements of their probes.
New versions are installed on Tuesday evenings; no data is lost during an update.

## Version 5.3 (14 October 2025)

- Alarms can be sent to up to twelve telephone numbers; until now the limit was four.
- The map shows the drift of each probe over the last 72 hours.
- Exports in NetCDF format are available to all customers, not only to universities.
- Fixed: in the week of the change to winter time, hourly averages were shifted by one hour.

## Version 5.2 (8 July 2025)

- New: a quarantine for suspicious values. A value that jumps by more than five standard deviations is
  held back until somebody confirms it.
- The minimum password length is now fourteen characters.
- Support for the Pellucid 2 ends with this version. Its measurements remain readable until 2030.
- Fixed: the unit of turbidity was missing from printed reports.

## Version 5.1 (4 March 2025)

- The Pellucid 4 is supported, including its chlorophyll channel.
- Reports can be scheduled weekly or monthly. They are sent at six in the morning.
- The code name of this version, Bittern, was chosen by the customers of the Tarn Abbey utility.
- Known problem: in the Swift browser the time axis overlaps the legend. Zooming once corrects it.
"""

PRICE_HEADER = ("Article", "Description", "Price in euros", "In stock", "Warehouse", "Delivery in weeks")
PRICES: tuple[tuple[str | int, ...], ...] = (
    ("PL-400", "Pellucid 4 probe", 4850, 62, "Vestermark Haven", 2),
    ("PL-400D", "Pellucid 4D deep-water probe", 7990, 9, "Vestermark Haven", 6),
    ("PL-350", "Pellucid 3 probe, refurbished", 2600, 14, "Sankt Ansel", 1),
    ("RL-100", "Reedlight gateway", 1340, 118, "Vestermark Haven", 1),
    ("RL-100S", "Reedlight gateway with solar panel", 1690, 41, "Vestermark Haven", 2),
    ("MC-2", "Magnetic cable, 3 metres", 95, 530, "Sankt Ansel", 1),
    ("SK-7", "Seal kit for battery exchange", 38, 870, "Sankt Ansel", 1),
    ("BT-14", "Replacement battery", 160, 275, "Sankt Ansel", 1),
    ("WB-3", "Wiper blades, pack of ten", 54, 402, "Sankt Ansel", 1),
    ("BY-20", "Mooring buoy, 20 litres", 420, 0, "Orrelby", 9),
)
SERVICE_HEADER = ("Code", "Service", "Price in euros", "Working days")
SERVICES: tuple[tuple[str | int, ...], ...] = (
    ("SV-01", "Calibration of one probe", 280, 5),
    ("SV-02", "Express calibration of one probe", 520, 2),
    ("SV-03", "Repair estimate", 75, 3),
    ("SV-04", "Field installation, one day, two people", 2150, 1),
    ("SV-05", "Training course for operators, six people", 1900, 2),
)
