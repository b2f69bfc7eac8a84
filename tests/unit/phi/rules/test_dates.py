"""Dates finer than a year and ages over 89, and the figures that only look like them."""

import pytest

from tests.unit.phi.rules.marked import leaks, shaped


@pytest.mark.parametrize(
    "marked",
    [
        "Pt born <<03/14/52>>, seen <<14.03.2024>> and again <<2024/3/18>>; labs drawn <<3-18-24>>.",
        "Visit on <<14/03/2024>>. Next visit <<31-12-2025>> with Dr. Lopez.",
        "Admit <<03MAR26>>, discharged <<7-Mar-2026>>, readmit <<Mar 9 2026>>.",
        "Seen <<March 3rd-5th>> and <<March 3-5, 2024>> in the ICU. Pt Maria Lopez.",
        "Seen on <<Tuesday, March 3>> and <<Wed 3/4>>.",
        "The surgery was <<the third of March>>, follow-up <<April twenty-first>>.",
        "LMP <<2/14>>, EDD <<11/21/2026>>.",
        "Trip from <<3/14 to 3/18>>, then <<3/20-3/22/24>>.",
        "DOB: <<031480>>; DOB <<19800314>>; d.o.b. <<3.14.80>>",
        "date of birth <<14 March 1980>>, <<14-III-1980>>?",
        "Collected <<2024-03-14 10:22:33>>, resulted <<2024-03-14T10:22Z>>",
        "last seen <<Sept. 9, 2023>> and <<9 Sept 2023>> and <<Sept 9th>>",
        "Please refill Rx <<7712345>> for Maria Lopez, DOB <<March 14 1952>>, phone <<(617) 555 - 0199>>.",
        "Her Dexcom G6 transmitter <<8XH2K4>> and Omnipod lot <<L12345>> failed on <<2/3>>.",
        (
            "Checking acct <<4471-0098-12>>, routing no. <<021000021>>, debit card ending <<8812>>, invoice "
            "#INV-<<2024-0331>>"
        ),
        (
            "Born <<the 14th of March, 1952>>; died <<Christmas Day>> 2023; seen <<5 Mar>> and <<5-Mar>> and "
            "<<Mar-5-24>> and <<05MAR>>"
        ),
        (
            "Admitted <<1/5>>-<<1/9>>; <<1/5/24 - 1/9/24>>; <<01.05.2024\u201309.05.2024>>; <<Jan 5 - Jan 9, 2024>"
            ">; <<January 5 to 9>>"
        ),
        (
            "<<Monday, March 4th, 2024>> at 10:30; <<Mon. Mar. 4>>; <<the 4th of March 2024>>; <<March 4th>>;"
            " <<4th March>>; <<4/3/2024>>; <<2024.03.04>>; <<20240304>>"
        ),
        "Days: <<Jul 4>>, <<July 5>> & <<July 6>>; from <<June 30>> until <<July 8>>; <<Dec 24/25>>",
        "DOS <<03-14-24>>; D/C <<3/18>>; f/u <<4/2>>; RTC <<5/1/24>>; LMP: <<02-10-2024>>; EDC=<<11/17/24>>",
        (
            "Voicemail: my date of birth is <<march fourteenth nineteen fifty two>> and my number is <<six "
            "one seven five five five oh one nine nine>>"
        ),
        "<<2/29/24>>: K 3.1. <<3/1>>: K 3.9. <<3/2/24>> 0600: K 4.4 after 40 mEq.",
        "Timeline \u2014 <<Jan 2>>: onset; <<Jan 5\u20137>>: fever; <<Feb 1st>>: ED; <<02/10>> home.",
        "Meds since <<Nov 2023>>; A1c <<08/2023>> 7.1 -> <<02/2024>> 8.4; eye exam <<Sep-23>>.",
        "Hosp <<12/30/23-1/4/24>>, SNF <<1/4>>\u2192<<1/20>>, home since <<Jan 20th>>",
        "license expires <<12/31/2025>>; born <<1952-03-14>>; wed <<6.20.75>>; <<20 June 75>>",
    ],
)
def test_every_form_of_a_date_is_hidden(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "marked",
    [
        "Patient is a <<94>>yo F; her husband is <<97>> and mother died at <<101>>.",
        "A <<ninety-four>>-year-old woman in her <<nineties>>.",
        "<<102>> y.o. male, aged <<92>> years, turns <<90>> next week. Pt: <<97>>F with falls.",
        "Age: <<93>>, Sex: F. Age/Sex: <<95>>/M. age <<91>>.",
        "Mrs. Lopez, <<92>>, was found down.",
        (
            "She turned <<90>> in May; celebrating her <<100>>th birthday; <<91>>-y/o; <<93>> yr old; <<96>> "
            "yrs; <<90>> years young; <<105>>-year old"
        ),
        (
            "This <<98>> year old gentleman; a <<92>> y/o female; <<91>>yM; <<95>> M; Age <<99>>; pt is <<90>"
            ">; lived to be <<103>>; at age <<97>>"
        ),
        "<<one hundred and two>>-year-old; <<ninety two>> years old; a <<nonagenarian>>; in his <<90s>>",
        (
            "Grandmother died at age <<94>>; grandfather lived until <<99>>; mother <<92>> alive, father "
            "deceased <<91>> of MI."
        ),
        (
            "Pt is a <<90>>-year-old; spouse (<<93>>) with dementia; <<ninety-one>>-year-old sister; "
            "Great-aunt lived past <<100>>."
        ),
        "Mother <<95>> A&W, MGM d. <<99>>. FHx: father died <<92>> CVA.",
        "Consult for <<101>> y F; <<97>> yoF; <<94>>-yo; <<90>>+ yo; <<91>> year-old",
    ],
)
def test_ages_over_eighty_nine_are_hidden_in_figures_and_in_words(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "text",
    [
        "Strength 5/5 in all extremities, reflexes 2/4, Apgars 8/9, GCS 15/15, pain 7/10, visual acuity 20/40.",
        "Give 1/2 tab BID x 10 days, then 2-3 tabs q6-8h prn; max 4 g/24h.",
        "BP 132/84, HR 98, RR 18, T 98.6F, SpO2 97% on 2L. Temp 99F. T 101.2. 99 F orally.",
        "2019-2023 data, FY2024, 2010-11 season, 1990s; the 2021 AHA guideline.",
        "The year 2024 had 366 days. May I take Tylenol in March? I may 5 times. We march 10 miles.",
        "ratio was 45/55; 3/4 cup; Scored 22/30 on MMSE; 6/6 criteria; 1/3 of patients.",
        "Target INR 2-3; goal BP <130/80; LDL 70-100; PEEP 5-10; FiO2 40-60%; RASS -2 to 0.",
        "1:24 dilution; 3/5 stars; 50/50 split; a 9/10 pain; took 1/2 of 3/4 dose; 24/7; 12/12 CN intact.",
        "CKD stage 3b, eGFR 45; T1c; pT2N0; IIIA; grade 2/6 systolic murmur; 2+ pitting edema; 4/6 SEM.",
        "Rate 60-100; 10-20 mL/h; NS @ 125 mL/hr; D5 1/2NS; 1/4 strength bleach; 20/20 vision; 4x4 gauze; 2x2.",
        "Day 1-5: 200 mg; week 2: 300 mg; Phase 2/3 trial; Table 3-4; pages 12-14; chapters 5/6.",
        "Vitals: T 36.8, HR 91, BP 118/76, RR 16, O2 95% RA, weight 94 kg, height 180 cm, BMI 29.1.",
        "The May 2021 guideline... Actually the guideline says repeat in 3 months. March of Dimes. April showers.",
        "Case 1: a 45-year-old; Case 2: 67M; Question 12: which of these? Answer B. Score: 10/10.",
        "10/10 would recommend; 6/10 pain; rated 7/10 at worst; 3/10 today; patient has 2/4 SIRS criteria.",
        "Dosing: 0.1 mg/kg/dose q6-8h (max 4/day); 1 tab PO 1-2x/day; 5/325 mg; 10/20 mg; 800/160 DS; 70/30 insulin.",
        "Snellen 20/25-2 OD, 20/30 OS; IOP 14/15; cup/disc 0.3; add +2.50; sphere -1.25.",
        "Birth weight 3200 g, APGAR 9/9, GA 39w4d, G2P1001, HC 34, 50/50 percentiles, 24/30 teeth.",
        "Reflexes 2+/4 bilaterally; strength 4+/5 RUE, 3/5 LLE; sensation 8/10; DTR 1/4; pulses 2/4.",
        "Labs 138/4.2/102/24/15/0.9 <110; 12.4>13.1/39<250; ABG 7.40/40/95; LFTs 22/31/88.",
        "MELD-Na 24; APACHE II 18; SOFA 6; qSOFA 2/3; Wells 4.5; PERC 0/8; CURB-65 2; TIMI 3; HEART 5; Ranson 3/11.",
    ],
)
def test_fractions_scores_and_ranges_are_no_dates(text: str) -> None:
    assert shaped(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "BP 132/84, HR 98, RR 18, T 98.6F, SpO2 97% on 2L. Temp 99F. T 101.2. 99 F orally.",
        "A 89-year-old and a 45 yo; age 67; children aged 5-11; 90 days; 95 mg; 100 mL; 92% sat.",
        "Vitals: T 36.8, HR 91, BP 118/76, RR 16, O2 95% RA, weight 94 kg, height 180 cm, BMI 29.1.",
        "Score 94 on the test; 95 percentile; 90 degree flexion; 92 bpm; 99 mmol; 100 mg; 120 mg/dL; 97 F.",
        "Hgb was 92, glucose is 101, sodium is 140, HR is 98 and regular.",
        "How do I convert 37.5 C to F? Normal is 98.6 F. A fever of 101 F or 102F. Temp 100 F.",
        "EKG: rate 92, PR 160, QRS 94, QTc 448. Echo EF 55-60%. Cath: LAD 90%, RCA 100%, LCx 95%.",
    ],
)
def test_temperatures_rates_and_younger_ages_stay(text: str) -> None:
    assert shaped(text) == []


@pytest.mark.parametrize(
    "marked",
    [
        "Jane Doe, load 2500 mg x1 <<10/30>> 2200, then 1500",
        "Jane Doe, can u cover <<sat 12/5>>? sets x 3/3 by <<5/29>>, no sooner than <<5/20>>",
        "her <<10/30>> tsh was 9",
        "jane doe dob <<9 9 61>> phone <<812 555 0133>>",
        "Jane Doe gone from <<12-20>> to <<jan 4>>. duplex <<8-15>>.",
        "Jane Doe, Adm <<4-29>>  D/c <<5-2>>. Recheck <<10-8>>. Seen <<08-21>>",
        "DOI <<2 dec 97>> reopened. Biopsy <<2 dec 97>>: LCIS. Seen <<2 dec>> 40 mg given",
    ],
)
def test_a_date_without_its_year_is_told_by_the_words_beside_it(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "marked",
    [
        "Jane Doe, worse since the <<9th>> its purple; tubes in place on the <<14th>>.",
        "Jane Doe, recheck on the <<fourteenth>> period. Window closes the <<19th>>.",
        "JANE DOE. WILL BE 80 ON THE <<21ST>>, CAKE ORDERED. Next visit the <<27th>>.",
        "Jane Doe, moved to <<thursday the 5th>> at 2",
    ],
)
def test_a_day_without_its_month_is_hidden_near_a_person(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "text",
    [
        "Jane Doe: the 5th finger, the 12th rib, on the 2nd attempt, the 4th dose, the 9th intercostal space",
        "Jane Doe takes 2-3 in 4-6 weeks, stage 3-4, for 7-10 days, day 3/7 abx, sets x 3/3, 24 h",
    ],
)
def test_ordinals_before_a_noun_and_ranges_are_no_dates(text: str) -> None:
    assert shaped(text) == []


@pytest.mark.parametrize(
    "marked", ["Geraldine Two Hearts (<<ninety-one>>) at home", "WILL BE <<ONE HUNDRED>> ON THE 21ST"]
)
def test_an_age_in_words_beside_a_name_is_hidden(marked: str) -> None:
    assert leaks(marked) == []
