"""Texts to measure an encoder by: its ranges, its agreement with full precision, its speed. Written for this purpose.

They are what exports hold: titles, searches, chat turns, mails, news, code, links, other languages, noise.
Short and long ones, since the length decides how fast a backend is.
"""

from __future__ import annotations

SHORT = (
    "",
    "ok",
    "Best pasta recipe",
    "weather tomorrow",
    "how to fix a leaking tap",
    "lofi beats to study to, 24/7 live",
    "RE: invoice 2024-118 (final!!)",
    "train times central station to airport",
    "Are you coming tonight? Bring the blue jacket please.",
    "lol no way 😂😂 that's so funny",
    "python - list index out of range - what does it mean",
    "https://www.example.org/watch?v=a1B2c3&list=PL99&index=4",
    "El tren sale a las ocho y media de la mañana.",
    "Wo ist der nächste Bahnhof, und wann fährt der Zug ab?",
    "明日の天気はどうですか",
    "مرحبا، كيف حالك اليوم؟",
    "Привет! Когда начинается встреча?",
    "1984-06-04 12:31:07 +0200 ERROR disk /dev/sda1 full (100 %)",
    "for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }",
    "zzzzqqq xkcd asdfghjkl 0x7fff5fbff8a0",
)

PARAGRAPHS = (
    "Shares of the airline fell four percent on Tuesday after the company said that higher fuel costs would cut its "
    "profit for the year. Analysts had expected a smaller loss. The chief executive said that "
    "fares would rise in spring.",
    "The home side won 3-1 in front of forty thousand people. Two goals in the first ten "
    "minutes settled the match, and "
    "a late penalty was of no more importance. The coach praised his young defenders afterwards.",
    "Researchers have found water ice in a crater near the south pole of the moon. The "
    "instrument, which went into orbit "
    "last year, measures neutrons. Where there are few of them, there is hydrogen, and where "
    "it is cold, that means ice.",
    "Dear all, thank you for your answers. The meeting is moved to Thursday at 10:30 in room "
    "4b, because the projector "
    "in the large room is being repaired. Please send me your slides by Wednesday noon, not "
    "larger than ten megabytes. "
    "Those who cannot come will find the minutes in the usual folder. Kind regards.",
    "Heat the oil in a large pan. Add the onion and garlic and fry them gently for five "
    "minutes. Stir in the rice, then "
    "add the stock a ladle at a time, and wait until each is absorbed. After eighteen minutes "
    "take the pan off the heat "
    "and beat in the butter and the cheese. Season with salt, pepper and a little lemon.",
    "CONGRATULATIONS!!! You have been selected to receive a FREE prize worth $1,000. Click the "
    "link below NOW to claim "
    "it, this offer ends at midnight! No purchase necessary. To stop these messages reply STOP. *** LIMITED TIME ***",
    "I have been thinking about what you said yesterday. It is true that I work too much, and "
    "that we see each other too "
    "rarely. Perhaps we could go away for a few days in June, to the sea, only the two of us, "
    "without telephones. What do "
    "you think? I could ask my sister whether she takes the dog.",
    "> On Monday you wrote:\n> does the patch apply to 2.4.19?\n\nIt does, but you need to run "
    "`make oldconfig` first, and "
    "the driver must be built as a module.\n\n-- \nTraceback (most recent call last):\n  File "
    '"setup.py", line 12, in '
    "<module>\n    main()\nKeyError: 'PATH'",
    "Die Stadt hat beschlossen, den alten Bahnhof nicht abzureißen. In dem Gebäude sollen eine "
    "Bibliothek und ein kleines "
    "Theater entstehen. Die Kosten werden auf zwölf Millionen Euro geschätzt; die Hälfte davon trägt das Land.",
    "La bibliothèque est ouverte du lundi au samedi, de neuf heures à dix-neuf heures. Les "
    "livres peuvent être gardés "
    "trois semaines, et prolongés deux fois si personne d'autre ne les demande.",
)

LONG = (" ".join(PARAGRAPHS[:3]), " ".join(PARAGRAPHS[3:7]), " ".join(PARAGRAPHS))

TEXTS: tuple[str, ...] = (*SHORT, *PARAGRAPHS, *LONG)
