//! Initial content of an empty portal.

export const CATALOGUE = [
  { id: "aloe", name: "Aloe", latin: "Aloe vera", price: 1290, light: "A sunny sill, and a drink every third week", story: "It stores its water in its leaves and would rather be forgotten than fussed over. Turn the pot now and then, or it leans toward the window." },
  { id: "fern", name: "Sword fern", latin: "Nephrolepis exaltata", price: 1890, light: "Bright shade, and air that is not too dry", story: "It came through three hundred million years without a watering plan. In a bathroom with a window it needs almost no help; beside a radiator it sulks." },
  { id: "monstera", name: "Swiss cheese plant", latin: "Monstera deliciosa", price: 3490, light: "Bright, but out of the midday sun", story: "Each new leaf has more windows than the one before. Give it a stake to climb and a wall to itself: in five years it is the room." },
  { id: "rubber", name: "Rubber plant", latin: "Ficus elastica", price: 2690, light: "Light or half shade; it grows toward what it gets", story: "A tree that agreed to stay indoors. Wipe its leaves with a damp cloth twice a year, and it shines as if somebody had polished it." },
  { id: "snake", name: "Snake plant", latin: "Dracaena trifasciata", price: 1590, light: "Any corner, even the dark one", story: "The one to begin with. It has been left alone over whole summers, in hallways without a window, and was there when its people came back." },
  { id: "spider", name: "Spider plant", latin: "Chlorophytum comosum", price: 990, light: "Half shade, and a shelf to hang over", story: "It makes children on long stems, and each of them is a plant. Whoever has one soon has one for every friend." },
];

const WORDS: [stars: number, words: string][] = [
  [5, "Four years old, moved house twice, and still grows a leaf a month."],
  [4, "Arrived with one bent leaf and forgave the journey within a week."],
  [5, "I water it when I think of it, and it has never complained."],
  [3, "Grows, but slowly. My hallway may be darker than it looks."],
  [5, "The cat is interested, the plant is not. They get along."],
  [4, "Repotted in spring, and it doubled by autumn."],
  [2, "Mine stood in a draught and dropped its lower leaves."],
  [5, "Bought as a present and kept."],
];

/** Eight members, most of whom review every plant. */
export const REVIEWS = CATALOGUE.flatMap(({ id }, place) =>
  WORDS.map(([stars, words], number) => ({ product: id, member: ((number + place) % WORDS.length) + 1, stars, words })).filter((_, number) => (number * 5 + place * 7) % 6 > 1),
);
