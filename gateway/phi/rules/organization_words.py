"""The words that facilities, schools and firms are recognised by."""

from gateway.phi.rules.vocabulary import phrase_set, word_set

FACILITY_PAIRS = phrase_set(
    "nursing home, urgent care, health system, medical center, medical centre, medical group, health center, "
    "care center, surgery center, cancer center, cancer institute, heart institute, heart center, "
    "health services, health network, family practice, family medicine, assisted living, primary care, "
    "care home, medical associates, health partners, wellness center, treatment center, imaging center, "
    "birth center, dialysis center, trauma center, rehab center, rehabilitation center, health clinic, "
    "skilled nursing, senior living, physician group, day surgery, eye institute, community health, health plan, "
    "memory care, health care, recovery center, retirement community, women's center, children's center, "
    "brain institute, spine institute, medical institute, surgical center, outpatient center, internal medicine, "
    "emergency medicine, sports medicine, medical clinic, dental group, eye center, family clinic, home health, "
    "home care, hospice care, diagnostic center, kidney center, blood center, counseling center, pain center, "
    "sleep center, nursing facility, nursing center, day center, care facility, funeral home, birthing center, "
    "vein center, vision center, skin center, joint institute, breast center, infusion center, fertility center, "
    "health department, group home, halfway house, detox center, medical plaza, medical pavilion, "
    "medical office, medical campus, specialty center, surgical associates, independent living, health sciences, "
    "health campus, health alliance, care associates, radiology associates, orthopaedic institute, "
    "orthopedic institute, vascular institute, neurology associates, cardiology associates, retirement village, "
    "veterans home, mortuary services"
)

EMPLOYER_ENDS = word_set(
    "drug drugs university college school academy diner restaurant church synagogue mosque temple cathedral "
    "parish inc llc corp corporation ltd airlines airways railroad foods motors industries steel logistics "
    "bakery cafe grill brewery farms foundry plumbing construction roofing trucking electronics technologies "
    "electric petroleum supermarket prison jail shelter seminary kindergarten daycare preschool library museum "
    "hotel motel casino enterprises holdings elementary manufacturing brothers bros supply transport freight "
    "automotive staffing landscaping catering ironworks sawmill dairy vineyards winery orchards market markets "
    "grocery hardware furniture pizzeria pizza bistro salon barbershop gym fitness insurance realty properties "
    "mortgage savings bancorp consulting solutions systems recovery aerospace dynamics chemicals pharmaceuticals "
    "plastics textiles apparel publishing semiconductor semiconductors cannery lumber millwork smelting poultry "
    "carriers distillery brewing quarry refinery shipyard tannery outfitters mills works shipping nursery "
    "haulage packers paving upholstery masonry carpets coatings ceramics foodservice ironworkers teamsters union"
)

EMPLOYER_PAIRS = phrase_set(
    "school district, air lines, police department, fire department, high school, elementary school, "
    "middle school, unified school, post office, public schools, auto body, power plant, steel mill, law firm, "
    "credit union, and sons, auto repair, iron works, sheriff's office, port authority, community college, "
    "charter school, day school, public library, water department, transit authority, housing authority, "
    "air force, & sons, & daughters, & bros, and daughters, water authority, water district, power authority, "
    "public works, cold storage, freight lines, truck lines, bus lines, road bridge, bait tackle, law offices, "
    "law group, electric cooperative, egg producers, food bank, job corps, transit district, moving company"
)

LOOSE_ENDS = word_set(
    "drug drugs recovery insurance systems solutions market markets supply properties shelter transport library "
    "fitness union works mills carriers nursery shipping coatings mobility"
)
"""Plain words too: a capitalised run before them is a firm only when it holds an odd word."""

AFTER_END = word_set(
    "associates group center centre partners clinic hospital campus facility annex pavilion institute department"
)

RESIDENCES = word_set(
    "manor gardens acres village terrace pines oaks estates commons place house lodge villa villas court grove "
    "meadows haven heights ridge springs pointe landing crossing hall park hills woods view glen creek lakes "
    "towers"
)

VISITS = word_set(
    "seen admitted hospitalized transferred transported discharged presented born delivered treated evaluated "
    "referred referral resident lives living resides stays staying records placement operated examined diagnosed "
    "care rehab appointment appt admission transfer came sent went brought airlifted follow-up followup up "
    "surgery snf facility works staff ed er visit visited labs drawn imaging mri ct scan bed beds stay "
    "recovering dc d/c scans here bounced boarded kept"
)
"""What happens at a facility: with `at`, `to`, `from` or `of` after them, a name follows."""

PLACE_LABELS = word_set("facility hospital pharmacy clinic location site agency center hospice snf lab")

FAMOUS = phrase_set(
    "cedars-sinai, cedars sinai, johns hopkins, mayo clinic, cleveland clinic, mass general, md anderson, "
    "sloan kettering, memorial sloan kettering, kaiser permanente, kaiser, mount sinai, nyu langone, geisinger, "
    "intermountain, banner health, sutter health, massachusetts general, scripps, bellevue, montefiore, upmc, "
    "ochsner, novant, duke, mayo, ucsf, ucla, stanford, vanderbilt, emory, northwell, ascension, providence, "
    "dignity health, commonspirit, trinity health, advocate aurora, atrium health, baylor scott, "
    "houston methodist, ut southwestern, penn presbyterian, beth israel, brigham and women, brigham, "
    "dana farber, dana-farber, fox chase, moffitt, city of hope, fred hutch, fred hutchinson, lurie children, "
    "nationwide children, texas children, boston children, hopkins, cooper, lahey, tufts, maine medical, "
    "dartmouth hitchcock, dartmouth-hitchcock, strong memorial, hennepin, regions, essentia, sanford, avera, "
    "unitypoint, froedtert, rush, loyola, northwestern, henry ford, beaumont, spectrum health, corewell, "
    "promedica, metrohealth, ohiohealth, wexner, carilion, inova, sentara, musc, prisma, wellstar, piedmont, "
    "grady, shands, adventhealth, baycare, jackson memorial, tampa general, ut health, parkland, "
    "memorial hermann, ben taub, lbj, seton, methodist, christus, integris, mercy, ssm, bjc, barnes-jewish, "
    "nebraska medicine, uchealth, denver health, swedish, virginia mason, harborview, ohsu, legacy, sharp, hoag, "
    "loma linda, alta bates, highland, zuckerberg"
)

SHOPS = phrase_set(
    "home depot, lowe, walmart, costco, target, starbucks, wendy, burger king, taco bell, best buy, "
    "dollar general, dollar tree, family dollar, whole foods, trader joe, sam's club, ups, fedex, usps, "
    "walgreens, cvs, rite aid, kroger pharmacy, quest diagnostics, labcorp, quest, planned parenthood, davita, "
    "fresenius, brookdale, sunrise, genesis, encompass, kindred, concentra, minuteclinic, medexpress, "
    "carbon health, one medical, duane reade, walmart pharmacy, costco pharmacy, publix pharmacy, "
    "safeway pharmacy, express scripts, optumrx, bioreference, american red cross, shriners, st jude, the joint, "
    "fastmed, nextcare, aspen dental, visiting angels, amedisys, vitas"
)

GENERALS = word_set(
    "health healthcare regional general memorial presbyterian methodist baptist adventist lutheran deaconess"
)
"""Words that end the short names of hospitals: `Mercy General`."""
